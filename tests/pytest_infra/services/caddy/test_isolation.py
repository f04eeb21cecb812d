"""Routes of a test in Caddy, against a server that answers as Caddy's admin API does."""

from __future__ import annotations

import http.server
import socket
import socketserver
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.host.ports import listeners
from pytest_infra.isolation.connection import CommandError
from pytest_infra.services.caddy import isolation
from pytest_infra.services.caddy.isolation import CaddyHost

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="counts the listening sockets in /proc"),
]


class Admin(http.server.BaseHTTPRequestHandler):
    """Answers every request with the status of the server, without a body."""

    server: AdminServer

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = do_DELETE = _answer  # noqa: N815

    def address_string(self) -> str:
        return "socket"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass


class AdminServer(socketserver.UnixStreamServer):
    status = 200


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[AdminServer]:
    with AdminServer(str(tmp_path / "admin.sock"), Admin) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Configurations:
    """The listening sockets of the previous and of the new configuration on one port."""

    def __init__(self) -> None:
        self.previous = socket.create_server(("127.0.0.1", 0), reuse_port=True)
        self.port: int = self.previous.getsockname()[1]
        self.new = socket.create_server(("127.0.0.1", self.port), reuse_port=True)
        #: the numbers of listening sockets that were seen
        self.counts: list[int] = []

    def close_previous_at_second_count(self, address: str, port: int) -> int:
        self.counts.append(listeners(address, port))
        if len(self.counts) == 2:
            self.previous.close()
        return self.counts[-1]


@pytest.fixture
def configurations(monkeypatch: pytest.MonkeyPatch) -> Iterator[Configurations]:
    sockets = Configurations()
    monkeypatch.setattr(isolation, "listeners", sockets.close_previous_at_second_count)
    yield sockets
    sockets.previous.close()
    sockets.new.close()


@pytest.fixture
def host(admin: AdminServer, configurations: Configurations) -> CaddyHost:
    exports = {"admin_socket": str(admin.server_address), "host": "127.0.0.1"}
    server = Endpoint("caddy", exports, {"http": configurations.port}, "/data")
    return CaddyHost(server, "test-1", "a test")


def test_a_route_is_added_when_the_previous_configuration_has_closed_its_socket(
    host: CaddyHost, configurations: Configurations
) -> None:
    host.respond("/hello", body="hello")

    assert configurations.counts == [2, 2, 1]


def test_a_route_is_removed_when_the_previous_configuration_has_closed_its_socket(
    host: CaddyHost, configurations: Configurations
) -> None:
    host.respond("/hello", body="hello")
    configurations.previous = socket.create_server(("127.0.0.1", configurations.port), reuse_port=True)
    configurations.counts.clear()

    host.clear()

    assert configurations.counts == [2, 2, 1]


def test_a_refused_route_is_reported_after_its_configuration_has_closed_its_socket(
    admin: AdminServer, host: CaddyHost, configurations: Configurations
) -> None:
    admin.status = 400

    with pytest.raises(CommandError, match="400"):
        host.respond("/hello", body="hello")

    assert configurations.counts[:3] == [2, 2, 1]


def test_a_socket_that_stays_open_is_an_error(
    host: CaddyHost, configurations: Configurations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "listeners", listeners)
    monkeypatch.setattr(isolation, "PATIENCE", 0.0)

    with pytest.raises(CommandError, match=f"still listens on port {configurations.port}"):
        host.respond("/hello", body="hello")
