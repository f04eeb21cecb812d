"""A server in the process of the tests. It sends fixed responses, because Traefik itself cannot do this."""

from __future__ import annotations

import http.server
import threading
from http import HTTPStatus


class Responder:
    """An HTTP server on loopback that starts at its first use; each path has a fixed response."""

    def __init__(self) -> None:
        self._responses: dict[str, tuple[int, bytes]] = {}
        self._server: http.server.ThreadingHTTPServer | None = None

    @property
    def address(self) -> str:
        """The address of the server as `HOST:PORT`."""
        if self._server is None:
            responses = self._responses

            class Handler(_Handler):
                def response(self) -> tuple[int, bytes]:
                    return responses.get(self.path.partition("?")[0], (HTTPStatus.NOT_FOUND, b""))

            self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            self._server.daemon_threads = True
            threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def add(self, status: int, body: str) -> str:
        """Add a response and return its path."""
        response = (status, body.encode())
        for path, existing in self._responses.items():
            if existing == response:
                return path
        path = f"/{len(self._responses)}"
        self._responses[path] = response
        return path

    def close(self) -> None:
        """Stop the server."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def response(self) -> tuple[int, bytes]:
        raise NotImplementedError

    def _respond(self) -> None:
        self.close_connection = True  # the body of the request is not read
        status, body = self.response()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Ignore a message; the base class would write it to standard error."""

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _respond  # noqa: N815
