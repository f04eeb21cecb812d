"""A dashboard without a process behind a real HTTP server, for tests in a browser."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from fakes.dashboard import Site
from infra_runtime.dashboard.application import application


@contextmanager
def serving(site: Site) -> Iterator[tuple[str, str]]:
    """Serve a dashboard in a thread; yield its address, and the value of the cookie of a session."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        started = threading.Event()
        ends: list[asyncio.Event] = []
        loops: list[asyncio.AbstractEventLoop] = []

        async def main() -> None:
            dashboard = site.dashboard(port)
            config = uvicorn.Config(application(dashboard), lifespan="off", log_level="error", ws="none")
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            loops.append(asyncio.get_running_loop())
            ends.append(dashboard.closing)
            started.set()
            await dashboard.closing.wait()
            server.should_exit = True
            await serving

        thread = threading.Thread(target=asyncio.run, args=(main(),))
        thread.start()
        assert started.wait(300)
        try:
            yield f"http://dashboard.localhost:{port}", site.cookie()
        finally:
            loops[0].call_soon_threadsafe(ends[0].set)
            thread.join(60)
