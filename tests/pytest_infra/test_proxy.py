"""A line to a service that can be made bad, and good again."""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.proxy import Proxy

pytestmark = pytest.mark.process


@pytest.fixture
def echo() -> Iterator[Endpoint]:
    """A server that says what it hears."""
    server = socket.create_server(("127.0.0.1", 0))

    def converse(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while heard := connection.recv(65536):
                connection.sendall(heard)

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=converse, args=(connection,), daemon=True).start()

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
    with Proxy(echo) as found:
        yield found


def dial(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.endpoint.port), timeout=60)


def ask(connection: socket.socket, text: bytes = b"hello") -> bytes:
    connection.sendall(text)
    heard = b""
    while len(heard) < len(text) and (block := connection.recv(65536)):
        heard += block
    return heard


def test_an_undisturbed_line_hands_on_everything(proxy: Proxy) -> None:
    text = bytes(range(256)) * 4000

    with dial(proxy) as connection:
        assert ask(connection, text) == text


def test_the_endpoint_is_the_services_own_but_for_the_port(proxy: Proxy, echo: Endpoint) -> None:
    assert proxy.endpoint.url == f"tcp://127.0.0.1:{proxy.port}/x"
    assert proxy.endpoint.port == proxy.port != echo.port
    assert proxy.endpoint["user"] == "u"


def test_an_end_of_one_direction_is_handed_on(proxy: Proxy) -> None:
    with dial(proxy) as connection:
        connection.sendall(b"last words")
        connection.shutdown(socket.SHUT_WR)

        assert connection.recv(100) == b"last words"
        assert connection.recv(100) == b""


def test_latency_is_waited_once_each_way(proxy: Proxy) -> None:
    with dial(proxy) as connection:
        ask(connection)
        proxy.latency(0.1)

        began = time.monotonic()
        ask(connection)

        assert time.monotonic() - began >= 0.2


def test_bandwidth_lets_no_more_through_than_it_says(proxy: Proxy) -> None:
    proxy.bandwidth(100_000)

    with dial(proxy) as connection:
        began = time.monotonic()
        ask(connection, b"x" * 20_000)

        assert time.monotonic() - began >= 0.4


def test_a_cut_line_resets_who_is_there_and_refuses_who_comes(proxy: Proxy) -> None:
    with dial(proxy) as connection:
        ask(connection)

        with proxy.cut():
            with pytest.raises(ConnectionError):
                [ask(connection) for _ in range(100)]
            with pytest.raises(OSError, match="refused"):
                dial(proxy)

    with dial(proxy) as connection:
        assert ask(connection) == b"hello"


def test_a_half_open_line_stays_and_is_silent_until_it_is_mended(proxy: Proxy) -> None:
    with dial(proxy) as connection:
        ask(connection)

        with proxy.half_open():
            connection.sendall(b"anybody?")
            connection.settimeout(0.1)
            with pytest.raises(TimeoutError):
                connection.recv(100)

        connection.settimeout(60)
        assert connection.recv(100) == b"anybody?"


def test_a_reset_line_is_as_good_as_new(proxy: Proxy) -> None:
    proxy.latency(60)
    proxy.bandwidth(1)

    proxy.reset()

    with dial(proxy) as connection:
        assert ask(connection) == b"hello"


def test_a_proxy_before_a_dead_service_hangs_up() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    dead = Endpoint("dead", {"port": str(port)}, {"main": port}, "/nowhere")

    with Proxy(dead) as proxy, dial(proxy) as connection, contextlib.suppress(ConnectionError):
        assert connection.recv(1) == b""


@pytest.mark.parametrize(
    ("ports", "port", "says"),
    [
        ({"client": 1, "monitor": 2}, "monitr", "nats has no port 'monitr'; its ports are: client, monitor"),
        ({}, None, "nats has no port, so there can be no proxy before it"),
    ],
)
def test_a_port_that_is_not_there_is_told_with_those_that_are(
    ports: dict[str, int], port: str | None, says: str
) -> None:
    with pytest.raises(LookupError, match=says):
        Proxy(Endpoint("nats", {}, ports, "/nowhere"), port)


def test_a_closed_proxy_leaves_no_thread_and_no_port(echo: Endpoint) -> None:
    threads = threading.active_count()
    proxy = Proxy(echo)
    with dial(proxy) as connection:
        ask(connection)
        during = threading.active_count()

        proxy.close()
        proxy.close()

    assert during > threads
    with pytest.raises(OSError, match="refused"):
        dial(proxy)


def test_a_connection_that_is_only_just_accepted_is_closed_with_the_rest(echo: Endpoint) -> None:
    """Warnings are errors: a transport that nobody closed would be told."""
    for _ in range(50):
        proxy = Proxy(echo)
        dial(proxy).close()
        proxy.close()
    gc.collect()
