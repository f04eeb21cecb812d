"""A proxy that delays, limits or cuts connections to a service, and that can be reset."""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from fakes.suite import free_port
from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.proxy import Proxy

pytestmark = pytest.mark.process


@pytest.fixture
def echo() -> Iterator[Endpoint]:
    """A server that sends back the bytes that it receives."""
    server = socket.create_server(("127.0.0.1", 0))

    def send_back(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                connection.sendall(data)

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=send_back, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve)
    thread.start()
    port = server.getsockname()[1]
    exports = {"url": f"tcp://127.0.0.1:{port}/x", "host": "127.0.0.1", "port": str(port), "user": "u"}
    yield Endpoint("echo", exports, {"main": port}, "/nowhere")
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


@pytest.fixture
def proxy(echo: Endpoint) -> Iterator[Proxy]:
    with Proxy(echo) as proxy:
        yield proxy


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.endpoint.port), timeout=60)


def exchange(connection: socket.socket, data: bytes = b"hello") -> bytes:
    """Send bytes, and return as many bytes of the answer."""
    connection.sendall(data)
    answer = b""
    while len(answer) < len(data) and (block := connection.recv(65536)):
        answer += block
    return answer


def test_a_proxy_without_a_fault_forwards_all_bytes(proxy: Proxy) -> None:
    data = bytes(range(256)) * 4000

    with connect(proxy) as connection:
        assert exchange(connection, data) == data


def test_the_endpoint_differs_from_that_of_the_service_in_the_port_only(proxy: Proxy, echo: Endpoint) -> None:
    assert proxy.endpoint.url == f"tcp://127.0.0.1:{proxy.port}/x"
    assert proxy.endpoint.port == proxy.port != echo.port
    assert proxy.endpoint["user"] == "u"


def test_the_end_of_one_direction_is_forwarded(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        connection.sendall(b"last bytes")
        connection.shutdown(socket.SHUT_WR)

        assert connection.recv(100) == b"last bytes"
        assert connection.recv(100) == b""


def test_latency_delays_each_direction_once(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        exchange(connection)
        proxy.latency(0.1)

        start = time.monotonic()
        exchange(connection)

        assert time.monotonic() - start >= 0.2


def test_bandwidth_limits_the_throughput(proxy: Proxy) -> None:
    proxy.bandwidth(100_000)

    with connect(proxy) as connection:
        start = time.monotonic()
        exchange(connection, b"x" * 20_000)

        assert time.monotonic() - start >= 0.4


def test_a_cut_proxy_resets_open_connections_and_refuses_new_ones(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        exchange(connection)

        with proxy.cut():
            with pytest.raises(ConnectionError):
                [exchange(connection) for _ in range(100)]
            with pytest.raises(OSError, match="refused"):
                connect(proxy)

    with connect(proxy) as connection:
        assert exchange(connection) == b"hello"


def test_a_half_open_connection_stays_open_and_forwards_nothing_until_the_fault_ends(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        exchange(connection)

        with proxy.half_open():
            connection.sendall(b"request")
            connection.settimeout(0.1)
            with pytest.raises(TimeoutError):
                connection.recv(100)

        connection.settimeout(60)
        assert connection.recv(100) == b"request"


def test_reset_removes_all_faults(proxy: Proxy) -> None:
    proxy.latency(60)
    proxy.bandwidth(1)

    proxy.reset()

    with connect(proxy) as connection:
        assert exchange(connection) == b"hello"


def test_a_proxy_for_a_stopped_service_closes_the_connection() -> None:
    port = free_port()
    stopped = Endpoint("stopped", {"port": str(port)}, {"main": port}, "/nowhere")

    with Proxy(stopped) as proxy, connect(proxy) as connection, contextlib.suppress(ConnectionError):
        assert connection.recv(1) == b""


@pytest.mark.parametrize(
    ("ports", "port", "message"),
    [
        ({"client": 1, "monitor": 2}, "monitr", "nats has no port 'monitr'; its ports are: client, monitor"),
        ({}, None, "nats has no port, so a proxy cannot forward connections to it"),
    ],
)
def test_the_error_for_an_unknown_port_lists_the_ports_of_the_service(
    ports: dict[str, int], port: str | None, message: str
) -> None:
    with pytest.raises(LookupError, match=message):
        Proxy(Endpoint("nats", {}, ports, "/nowhere"), port)


def test_a_closed_proxy_leaves_no_thread_and_no_port(echo: Endpoint) -> None:
    threads = threading.active_count()
    proxy = Proxy(echo)
    with connect(proxy) as connection:
        exchange(connection)
        during = threading.active_count()

        proxy.close()
        proxy.close()

    assert during > threads
    with pytest.raises(OSError, match="refused"):
        connect(proxy)


def test_a_connection_that_was_accepted_a_moment_before_is_closed_with_the_others(echo: Endpoint) -> None:
    """Warnings are errors, so a transport that stays open fails this test."""
    for _ in range(50):
        proxy = Proxy(echo)
        connect(proxy).close()
        proxy.close()
    gc.collect()
