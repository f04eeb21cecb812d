"""The connection that a process keeps: a command runs again if the server closed it; a fork opens another."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from pytest_infra.isolation.connection import CommandConnection, LineConnection


class Sockets:
    """Makes connections without a server: each is one end of a socket pair; the test has the other end."""

    def __init__(self) -> None:
        self.server_ends: list[socket.socket] = []
        self.connections: list[LineConnection] = []

    def connect(self) -> LineConnection:
        client_end, server_end = socket.socketpair()
        connection = LineConnection.__new__(LineConnection)
        connection._socket, connection._reader = client_end, client_end.makefile("rb")
        self.server_ends.append(server_end)
        self.connections.append(connection)
        return connection

    def close(self) -> None:
        for end in (*self.server_ends, *self.connections):
            end.close()


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    pairs = Sockets()
    yield pairs
    pairs.close()


def _transfer(sockets: Sockets, text: bytes) -> bytes:
    """Send a line from the server's end of the newest connection, and read it from the client's end."""
    sockets.server_ends[-1].sendall(text + b"\r\n")
    return sockets.connections[-1].line()


def test_all_commands_use_one_connection(sockets: Sockets) -> None:
    connection = CommandConnection(sockets.connect)

    answers = [
        connection.run(lambda _, number=number: _transfer(sockets, b"%d" % number)) for number in range(3)
    ]

    assert answers == [b"0", b"1", b"2"]
    assert len(sockets.connections) == 1


def test_a_command_runs_again_if_the_server_closed_the_connection(sockets: Sockets) -> None:
    connection = CommandConnection(sockets.connect)
    connection.run(lambda _: None)
    sockets.server_ends[0].close()

    answer = connection.run(
        lambda opened: opened.line() if len(sockets.connections) == 1 else b"second attempt"
    )

    assert answer == b"second attempt"
    assert len(sockets.connections) == 2


@pytest.mark.parametrize("error", [TimeoutError("no answer"), ValueError("an error of the command")])
def test_a_command_does_not_run_again_after_another_error(sockets: Sockets, error: Exception) -> None:
    attempts = []

    def command(connection: LineConnection) -> None:
        attempts.append(connection)
        raise error

    connection = CommandConnection(sockets.connect)
    connection.run(lambda _: None)

    with pytest.raises(type(error), match=str(error)):
        connection.run(command)
    assert len(attempts) == 1


def test_a_refused_connection_is_not_tried_again() -> None:
    attempts = []

    def refuse() -> LineConnection:
        attempts.append(1)
        raise ConnectionRefusedError("no server listens")

    with pytest.raises(ConnectionRefusedError):
        CommandConnection(refuse).run(lambda connection: connection.line())
    assert len(attempts) == 1


def test_after_a_fork_the_child_opens_another_connection(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = CommandConnection(sockets.connect)
    connection.run(lambda _: None)
    child = os.getpid() + 1

    monkeypatch.setattr(os, "getpid", lambda: child)
    used_by_child = connection.run(lambda opened: opened)

    assert used_by_child is sockets.connections[1]
    sockets.server_ends[0].sendall(b"still open\r\n")
    assert sockets.connections[0].line() == b"still open"
