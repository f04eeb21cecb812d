"""Send requests to Caddy's admin API, which listens on a Unix socket.

Source: Caddy documentation, "API".
"""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

from pytest_infra.isolation.connection import PATIENCE, CommandError


class _SocketFileConnection(http.client.HTTPConnection):
    """An HTTP connection to a server that listens on a Unix socket."""

    def __init__(self, path: str) -> None:
        # Caddy accepts this host name on a socket; older versions reject `localhost`.
        super().__init__("127.0.0.1", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)


def admin_request(socket_path: str, method: str, target: str, body: object = None) -> Any:
    """Send a request to Caddy's admin API, and return the JSON of the answer; None if the answer is empty.

    Raises `CommandError` if Caddy returns an error.
    """
    connection = _SocketFileConnection(socket_path)
    try:
        content = None if body is None else json.dumps(body).encode()
        connection.request(method, target, content, {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    if response.status >= 300:
        answer = text.decode(errors="replace")[:500]
        raise CommandError(f"caddy: {method} {target}: {response.status} {answer}")
    return json.loads(text) if text.strip() else None
