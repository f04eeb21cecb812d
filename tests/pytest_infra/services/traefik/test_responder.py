"""The server of fixed responses, to which Traefik forwards requests."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

import pytest

from pytest_infra.services.traefik.responder import Responder

pytestmark = pytest.mark.process


@pytest.fixture
def responder() -> Iterator[Responder]:
    server = Responder()
    yield server
    server.close()


def test_a_proxy_is_told_that_the_connection_is_not_used_again(responder: Responder) -> None:
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


def test_the_server_stops_although_a_client_keeps_its_connection(responder: Responder) -> None:
    host, _, port = responder.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.sendall(f"GET {responder.add(200, 'hello')} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert client.recv(9) == b"HTTP/1.1 "

        responder.close()
