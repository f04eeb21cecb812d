"""The server of fixed responses, to which Traefik forwards requests."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator

import pytest

from pytest_infra.services.traefik.responder import Responder

pytestmark = pytest.mark.process


@pytest.fixture
def responder() -> Iterator[Responder]:
    server = Responder()
    yield server
    server.close()


def test_the_response_states_that_the_connection_is_closed(responder: Responder) -> None:
    path = responder.add(200, "hello")
    connection = http.client.HTTPConnection(responder.address, timeout=60)

    connection.request("GET", path)

    response = connection.getresponse()
    assert response.headers["Connection"] == "close"
    assert response.read() == b"hello"
    connection.close()


@pytest.mark.parametrize("headers", [{}, {"Transfer-Encoding": "chunked"}], ids=["length", "chunked"])
def test_a_request_with_a_large_body_gets_its_response(responder: Responder, headers: dict[str, str]) -> None:
    path = responder.add(201, "made")
    parts = [b"x" * 2**16] * 64
    body = iter(parts) if headers else b"".join(parts)
    connection = http.client.HTTPConnection(responder.address, timeout=60)

    connection.request("POST", path, body, headers, encode_chunked=bool(headers))

    response = connection.getresponse()
    assert (response.status, response.read()) == (201, b"made")
    connection.close()


def test_the_server_stops_although_a_client_keeps_its_connection_open() -> None:
    responder = Responder()
    path = responder.add(201, "created")
    host, _, port = responder.address.partition(":")
    closing = threading.Thread(target=responder.close)
    with socket.create_connection((host, int(port)), timeout=60):
        with socket.create_connection((host, int(port)), timeout=60) as client:
            # The server accepts connections in their order: a thread waits for the other client's request.
            client.sendall(f"GET {path} HTTP/1.1\r\n\r\n".encode())
            response = client.makefile("rb").read()

        closing.start()
        closing.join(60)
        has_stopped = not closing.is_alive()
    closing.join(60)

    assert has_stopped
    assert response.startswith(b"HTTP/1.1 201 ")
    assert response.endswith(b"\r\n\r\ncreated")
