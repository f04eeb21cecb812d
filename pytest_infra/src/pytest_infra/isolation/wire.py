"""Just enough of three protocols to prepare units and take them away, whatever libraries a user has.

Source: NATS client protocol; RESP protocol; Caddy documentation, "API".
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any, Generic, Self, TypeVar

from infra_runtime.errors import InfraError

#: seconds for a server on this machine to answer
PATIENCE = 10.0


class WireError(InfraError):
    """A server did not do what was asked of it."""


class Line:
    """A connection that is read line by line."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self._socket.sendall(data)

    def line(self) -> bytes:
        """The next line without its end. Raises `ConnectionError` when there is none."""
        line = self._reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server has closed the connection")
        return line[:-2]

    def block(self, size: int) -> bytes:
        """So many bytes, and the end of the line after them."""
        return self._reader.read(size + 2)[:size]

    def close(self) -> None:
        """Close the connection."""
        self._reader.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


L = TypeVar("L", bound=Line)
T = TypeVar("T")


class Desk(Generic[L]):
    """A connection that a process keeps for all its units: to open one costs more than what it is asked."""

    def __init__(self, connect: Callable[[], L]) -> None:
        self._connect = connect
        self._line: L | None = None
        self._process = os.getpid()

    def ask(self, question: Callable[[L], T]) -> T:
        """What a question gives. It is asked again, by a new connection, when the server had hung up."""
        if self._process != os.getpid():  # after a fork the connection is the parent's
            self._line, self._process = None, os.getpid()
        kept = self._line is not None
        try:
            return self._asked(question)
        except OSError as error:
            if not kept or isinstance(error, TimeoutError):
                raise
            return self._asked(question)

    def _asked(self, question: Callable[[L], T]) -> T:
        if self._line is None:
            self._line = self._connect()
        try:
            return question(self._line)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection, if there is one; the next question opens another."""
        line, self._line = self._line, None
        if line is not None:
            with contextlib.suppress(OSError):  # a test may have closed every file that it found
                line.close()


class NatsLine(Line):
    """A connection to NATS that asks, and waits for the answer."""

    def __init__(self, host: str, port: int, user: str, password: str) -> None:
        super().__init__(host, port)
        # Every worker has a connection to the system's account: an answer is for the one that asked.
        self._inbox = b"_INBOX." + os.urandom(8).hex().encode()
        self.server: dict[str, Any] = json.loads(self.line().removeprefix(b"INFO "))
        login = {"user": user, "pass": password, "verbose": False, "name": "pytest-infra"}
        self.send(b"CONNECT " + json.dumps(login).encode() + b"\r\nSUB " + self._inbox + b" 1\r\nPING\r\n")
        if (answer := self.line()) != b"PONG":
            self.close()
            raise WireError(f"nats: {answer.decode(errors='replace')}")

    def request(self, subject: str, payload: bytes = b"") -> dict[str, Any]:
        """The answer to a request, JSON as all of the server's own are."""
        head = b"PUB %s %s %d\r\n" % (subject.encode(), self._inbox, len(payload))
        self.send(head + payload + b"\r\n")
        while not (line := self.line()).startswith(b"MSG "):
            if line == b"PING":
                self.send(b"PONG\r\n")
            elif line.startswith(b"-ERR"):
                raise WireError(f"nats: {line.decode(errors='replace')}")
        answer: dict[str, Any] = json.loads(self.block(int(line.split()[-1])))
        if error := answer.get("error"):
            raise WireError(f"nats: {subject}: {error}")
        return answer


class RespLine(Line):
    """A connection to Valkey."""

    def call(self, *words: str) -> Any:
        """What a command returns."""
        return self.calls(words)[0]

    def calls(self, *commands: Sequence[str]) -> list[Any]:
        """What several commands return, sent at once. Raises for the first that fails when all have."""
        self.send(b"".join(map(_command, commands)))
        found: list[Any] = []
        failures = []
        for words in commands:
            try:
                found.append(self._value())
            except WireError as error:
                failures.append(WireError(f"valkey: {words[0]}: {error}"))
        if failures:
            raise failures[0]
        return found

    def _value(self) -> Any:
        line = self.line()
        kind, text = line[:1], line[1:].decode()
        if kind == b"-":
            raise WireError(text)
        if kind == b":":
            return int(text)
        if kind == b"$":
            return None if text == "-1" else self.block(int(text)).decode("utf-8", "surrogateescape")
        if kind == b"*":
            return [self._value() for _ in range(int(text))]
        return text


def _command(words: Sequence[str]) -> bytes:
    parts = [word.encode("utf-8", "surrogateescape") for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(it), it) for it in parts)


class _UnixHttp(http.client.HTTPConnection):
    """HTTP through a socket file."""

    def __init__(self, path: str) -> None:
        # The name that Caddy takes on a socket; older ones refuse `localhost` there.
        super().__init__("127.0.0.1", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)


def admin(path: str, method: str, target: str, body: object = None) -> Any:
    """One request to the admin API that listens on a socket file; returns what it answers."""
    connection = _UnixHttp(path)
    try:
        content = None if body is None else json.dumps(body).encode()
        connection.request(method, target, content, {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    if response.status >= 300:
        raise WireError(f"caddy: {method} {target}: {response.status} {text.decode(errors='replace')[:500]}")
    return json.loads(text) if text.strip() else None
