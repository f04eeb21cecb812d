"""Just enough of three protocols to prepare units and take them away, whatever libraries a user has.

Source: NATS client protocol; RESP protocol; Caddy documentation, "API".
"""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any, Self

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


class NatsLine(Line):
    """A connection to NATS that asks, and waits for the answer."""

    INBOX = b"_INBOX.pytest-infra"

    def __init__(self, host: str, port: int, user: str, password: str) -> None:
        super().__init__(host, port)
        self.server: dict[str, Any] = json.loads(self.line().removeprefix(b"INFO "))
        login = {"user": user, "pass": password, "verbose": False, "name": "pytest-infra"}
        self.send(b"CONNECT " + json.dumps(login).encode() + b"\r\nSUB " + self.INBOX + b" 1\r\nPING\r\n")
        if (answer := self.line()) != b"PONG":
            self.close()
            raise WireError(f"nats: {answer.decode(errors='replace')}")

    def request(self, subject: str, payload: bytes = b"") -> dict[str, Any]:
        """The answer to a request, JSON as all of the server's own are."""
        head = b"PUB %s %s %d\r\n" % (subject.encode(), self.INBOX, len(payload))
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
        parts = [word.encode("utf-8", "surrogateescape") for word in words]
        self.send(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(it), it) for it in parts))
        try:
            return self._value()
        except WireError as error:
            raise WireError(f"valkey: {words[0]}: {error}") from None

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
