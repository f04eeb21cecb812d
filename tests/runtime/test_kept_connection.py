"""Requests over a connection that the server may close between two of them."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator

import pytest

from infra_runtime.kept_connection import KeptConnection

pytestmark = pytest.mark.process

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """A server that closes each connection after one answer, and counts the connections."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.connections = 0

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                with connection:
                    connection.recv(65536)
                    connection.sendall(ANSWER)

    def stop(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    server.stop()
    thread.join()


@pytest.fixture
def connection(server: Server) -> Iterator[KeptConnection]:
    connection = KeptConnection(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60))
    yield connection
    connection.close()


def test_an_idempotent_request_is_sent_again_after_the_server_has_closed_the_connection(
    server: Server, connection: KeptConnection
) -> None:
    answers = [connection.send("GET", "/", None, {}) for _ in range(2)]

    assert answers == [(200, b"ok"), (200, b"ok")]
    assert server.connections == 2


def test_another_request_is_not_sent_again(connection: KeptConnection) -> None:
    connection.send("POST", "/", "{}", {}, idempotent=False)

    with pytest.raises((http.client.HTTPException, OSError)):
        connection.send("POST", "/", "{}", {}, idempotent=False)


def test_the_first_request_is_not_sent_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    connection = KeptConnection(http.client.HTTPConnection("127.0.0.1", port, timeout=60))

    with pytest.raises(ConnectionRefusedError):
        connection.send("GET", "/", None, {})
