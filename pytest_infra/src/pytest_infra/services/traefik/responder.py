"""A server in the process of the tests. It sends fixed responses, because Traefik itself cannot do this."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from http import HTTPStatus

from pytest_infra.isolation.connection import PATIENCE


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
    #: seconds to wait for the next bytes of a client
    timeout = PATIENCE

    def response(self) -> tuple[int, bytes]:
        raise NotImplementedError

    def _respond(self) -> None:
        status, body = self.response()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        # Otherwise, Traefik would send the next request over a connection that is being closed.
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self._discard_request_body()

    def _discard_request_body(self) -> None:
        """Read until the client closes the connection.

        If the server closed a connection with bytes that it has not read, the kernel would reset the
        connection, and the client could lose the response.
        """
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while self.rfile.read1(2**16):
                pass

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Ignore a message; the base class would write it to standard error."""

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _respond  # noqa: N815
