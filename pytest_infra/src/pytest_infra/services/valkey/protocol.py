"""Send commands to Valkey or Redis and read the results.

Source: Valkey documentation, "RESP protocol".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.connection import CommandError, LineConnection


class RespConnection(LineConnection):
    """A connection to a server as the default user, with a login if the server requires a password."""

    def __init__(self, server: Endpoint, password: str) -> None:
        super().__init__(server.host, server.port)
        self._name = server.name
        if password:
            try:
                self.call("AUTH", password)
            except BaseException:
                self.close()
                raise

    def call(self, *words: str) -> Any:
        """Send a command, and return its result; raise `CommandError` if the server rejects it."""
        return self.calls(words)[0]

    def calls(self, *commands: Sequence[str]) -> list[Any]:
        """Send several commands to the server together, and return the list of their results.

        If commands fail, the error of the first failed command is raised after all answers were read.
        """
        self.send(b"".join(map(_encoded, commands)))
        results: list[Any] = []
        failures = []
        for words in commands:
            try:
                results.append(self._value())
            except CommandError as error:
                failures.append(CommandError(f"{self._name}: {words[0]}: {error}"))
        if failures:
            raise failures[0]
        return results

    def _value(self) -> Any:
        line = self.line()
        tag, text = line[:1], line[1:].decode()
        if tag == b"-":
            raise CommandError(text)
        if tag == b":":
            return int(text)
        if tag == b"$":
            return None if text == "-1" else self.block(int(text)).decode("utf-8", "surrogateescape")
        if tag == b"*":
            return [self._value() for _ in range(int(text))]
        return text


def _encoded(words: Sequence[str]) -> bytes:
    parts = [word.encode("utf-8", "surrogateescape") for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
