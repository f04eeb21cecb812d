"""The process of the telemetry service: its servers, and the tasks that write and forward records."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

from infra_runtime.asgi_server import GRACE, AsgiServer
from infra_runtime.telemetry import GRPC_PORT
from infra_runtime.telemetry.application import Telemetry
from infra_runtime.telemetry.error_alerts import ErrorAlerts
from infra_runtime.telemetry.forwarding import Forwarder
from infra_runtime.telemetry.grpc import Grpc
from infra_runtime.telemetry.limits import Limits
from infra_runtime.telemetry.reception import Reception
from infra_runtime.telemetry.store import Store

#: the seconds after which an idle connection of a gRPC client is closed
_GRPC_IDLE = 3600.0


async def serve(
    sockets: Mapping[str, socket.socket],
    folder: Path,
    key: str,
    limits: Limits,
    forward: Iterable[str],
    error_alerts: ErrorAlerts,
) -> None:
    """Serve requests on listening sockets until SIGTERM or SIGINT; then write all queued records.

    `sockets` maps port names to sockets; the server on the port `GRPC_PORT` uses gRPC. `forward` contains the
    URLs of trace sinks.
    """
    store = Store(folder, limits)
    forwarders = [Forwarder(url, limits) for url in forward]
    reception = Reception(store, limits, key, forwarders)
    telemetry = Telemetry(store, reception, forwarders, error_alerts)
    addresses = (
        f"http://{host}:{port}" for host, port in (listener.getsockname() for listener in sockets.values())
    )
    print(f"{', '.join(addresses)}: records in {store.path}", flush=True)
    http = [opened for name, opened in sockets.items() if name != GRPC_PORT]
    tasks = [
        telemetry.write_forever(),
        error_alerts.send_forever(),
        *(forwarder.run() for forwarder in forwarders),
    ]
    running = [asyncio.create_task(task) for task in tasks]
    try:
        async with _grpc_server(Grpc(reception), sockets.get(GRPC_PORT)):
            await AsgiServer(telemetry.application()).serve(sockets=http)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        store.close()


@contextlib.asynccontextmanager
async def _grpc_server(application: Grpc, listener: socket.socket | None) -> AsyncIterator[None]:
    """Run the server for gRPC on a listening socket; do nothing without a socket."""
    if listener is None:
        yield
        return
    # Only the extra `telemetry-grpc` installs this library.
    from hypercorn.asyncio import serve as serve_http2
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = "WARNING"
    config.graceful_timeout = GRACE
    config.keep_alive_timeout = _GRPC_IDLE
    config.keep_alive_max_requests = 2**31
    config.include_server_header = False
    stop = asyncio.Event()
    framework: Any = application  # the library uses other types for the messages
    task = asyncio.create_task(serve_http2(framework, config, shutdown_trigger=stop.wait, mode="asgi"))
    try:
        yield
    finally:
        stop.set()
        await task
