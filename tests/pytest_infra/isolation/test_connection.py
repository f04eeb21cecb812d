"""The connection that a process keeps: asked again when the server had hung up, never shared by a fork."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from pytest_infra.isolation.connection import CommandConnection, LineConnection


class Sockets:
    """Connects to nobody: each connection is a pair of sockets, and the test has the other ends."""

    def __init__(self) -> None:
        self.others: list[socket.socket] = []
        self.lines: list[LineConnection] = []

    def connect(self) -> LineConnection:
        here, there = socket.socketpair()
        line = LineConnection.__new__(LineConnection)
        line._socket, line._reader = here, here.makefile("rb")
        self.others.append(there)
        self.lines.append(line)
        return line

    def close(self) -> None:
        for it in (*self.others, *self.lines):
            it.close()


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    found = Sockets()
    yield found
    found.close()


def _answered(sockets: Sockets, text: bytes) -> bytes:
    """A question whose answer is there by the time it is asked for."""
    sockets.others[-1].sendall(text + b"\r\n")
    return sockets.lines[-1].line()


def test_one_connection_serves_all_questions(sockets: Sockets) -> None:
    kept = CommandConnection(sockets.connect)

    answers = [kept.run(lambda _, number=number: _answered(sockets, b"%d" % number)) for number in range(3)]

    assert answers == [b"0", b"1", b"2"]
    assert len(sockets.lines) == 1


def test_a_question_is_asked_again_when_the_server_had_hung_up(sockets: Sockets) -> None:
    kept = CommandConnection(sockets.connect)
    kept.run(lambda _: None)
    sockets.others[0].close()

    answer = kept.run(lambda line: line.line() if len(sockets.lines) == 1 else b"again")

    assert answer == b"again"
    assert len(sockets.lines) == 2


@pytest.mark.parametrize("error", [TimeoutError("frozen"), ValueError("of the question's own")])
def test_it_is_not_asked_again_for_another_reason(sockets: Sockets, error: Exception) -> None:
    asked = []

    def question(line: LineConnection) -> None:
        asked.append(line)
        raise error

    kept = CommandConnection(sockets.connect)
    kept.run(lambda _: None)

    with pytest.raises(type(error), match=str(error)):
        kept.run(question)
    assert len(asked) == 1


def test_nobody_asks_a_server_twice_that_is_not_there() -> None:
    tried = []

    def refused() -> LineConnection:
        tried.append(1)
        raise ConnectionRefusedError("nobody listens")

    with pytest.raises(ConnectionRefusedError):
        CommandConnection(refused).run(lambda line: line.line())
    assert len(tried) == 1


def test_after_a_fork_it_is_the_parents(sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = CommandConnection(sockets.connect)
    kept.run(lambda _: None)
    child = os.getpid() + 1

    monkeypatch.setattr(os, "getpid", lambda: child)
    asked = kept.run(lambda line: line)

    assert asked is sockets.lines[1]
    sockets.others[0].sendall(b"still there\r\n")
    assert sockets.lines[0].line() == b"still there"
