"""The process of the telemetry service: uvicorn on several sockets, and the task that writes records."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import uvicorn

from infra_runtime.telemetry.application import Telemetry
from infra_runtime.telemetry.limits import Limits
from infra_runtime.telemetry.store import Store

#: seconds that open requests have to finish after SIGTERM
_GRACE = 2


async def serve(sockets: list[socket.socket], folder: Path, key: str, limits: Limits) -> None:
    """Serve requests on listening sockets until SIGTERM or SIGINT; then write all queued records."""
    store = Store(folder, limits)
    telemetry = Telemetry(store, limits, key)
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
    writing = asyncio.create_task(telemetry.write_forever())
    try:
        await uvicorn.Server(config).serve(sockets=sockets)
    finally:
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing
        store.close()
