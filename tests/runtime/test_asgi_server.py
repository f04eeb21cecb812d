"""The server of the dashboard and of the telemetry service."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import urllib.request
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="needs the extra `telemetry`")

from infra_runtime.asgi_server import AsgiServer

pytestmark = pytest.mark.process
PATIENCE = 60.0


async def hello(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


def test_a_server_without_requests_has_no_timer_and_stops_at_a_signal() -> None:
    opened = socket.create_server(("127.0.0.1", 0))
    servers: list[AsgiServer] = []
    loops: list[Any] = []

    async def serve() -> None:
        servers.append(AsgiServer(hello))
        loops.append(asyncio.get_running_loop())
        await servers[0].serve(sockets=[opened])

    # In another thread, uvicorn does not send itself the signal again.
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    request = urllib.request.Request(
        f"http://127.0.0.1:{opened.getsockname()[1]}/", headers={"Connection": "close"}
    )

    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        content, headers = answer.read(), answer.headers
    timers = [timer for timer in loops[0]._scheduled if not timer.cancelled()]
    servers[0].handle_exit(signal.SIGTERM, None)
    thread.join(PATIENCE)

    assert (content, headers["Server"], headers["Date"]) == (b"hello", None, None)
    assert timers == []
    assert not thread.is_alive()
