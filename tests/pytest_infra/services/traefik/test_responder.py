"""The server of fixed responses, with a client that Traefik never is."""

from __future__ import annotations

import socket
import threading

import pytest

from pytest_infra.services.traefik.responder import Responder

pytestmark = pytest.mark.process


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
