"""The process of the telemetry service: uvicorn on several sockets, and the task that writes records."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from infra_runtime.telemetry.application import Telemetry
from infra_runtime.telemetry.error_alerts import ErrorAlerts
from infra_runtime.telemetry.limits import Limits
from infra_runtime.telemetry.store import Store

#: seconds that open requests have to finish after SIGTERM
_GRACE = 2


async def serve(
    sockets: list[socket.socket],
    folder: Path,
    key: str,
    limits: Limits,
    *,
    alert_sinks: Sequence[str] = (),
    error_interval: float = 60.0,
) -> None:
    """Serve requests on listening sockets until SIGTERM or SIGINT; then write all queued records.

    `alert_sinks` are the URLs of the services that receive alerts about errors.
    """
    store = Store(folder, limits)
    error_alerts = ErrorAlerts(alert_sinks, error_interval)
    telemetry = Telemetry(store, limits, key, error_alerts)
    config = uvicorn.Config(
        telemetry.application(),
        access_log=False,
        log_level="warning",
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=_GRACE,
        server_header=False,
    )
    addresses = ", ".join(f"http://{host}:{port}" for host, port in (one.getsockname() for one in sockets))
    print(f"{addresses}: records in {store.path}", flush=True)
    tasks = [
        asyncio.create_task(telemetry.write_forever()),
        asyncio.create_task(error_alerts.send_forever()),
    ]
    try:
        await uvicorn.Server(config).serve(sockets=sockets)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        store.close()
