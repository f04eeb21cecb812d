"""A uvicorn server that needs no processor time between requests."""

from __future__ import annotations

import asyncio
from types import FrameType
from typing import Any

import uvicorn

#: seconds that the server waits for open requests after SIGTERM, before it closes their connections
GRACE = 2


class AsgiServer(uvicorn.Server):
    """A uvicorn server that serves one application on listening sockets until SIGTERM or SIGINT.

    The responses have no header `Date`, because uvicorn would compute this header ten times per second.
    """

    def __init__(self, application: Any, *, stopping: asyncio.Event | None = None) -> None:
        """Create a server within a running event loop; `stopping` is set when a signal arrives."""
        super().__init__(
            uvicorn.Config(
                application,
                access_log=False,
                log_level="warning",
                lifespan="off",
                ws="none",
                timeout_graceful_shutdown=GRACE,
                server_header=False,
                date_header=False,
                proxy_headers=False,
            )
        )
        self._stopping = stopping or asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def main_loop(self) -> None:
        """Wait until a signal requests the stop of the server."""
        await self.on_tick(0)
        while not self.should_exit:
            await self._stopping.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Request the stop of the server; the method is the handler of the signals."""
        super().handle_exit(sig, frame)
        # The handler of a signal does not wake the event loop.
        self._loop.call_soon_threadsafe(self._stopping.set)
