"""Connections to servers for creating and removing isolation units; they do not use a client library."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from typing import Generic, Self, TypeVar

from infra_runtime.errors import InfraError

#: The seconds to wait for the answer of a server on this machine.
PATIENCE = 10.0


class CommandError(InfraError):
    """The error that a server rejected a command that the plugin sent to it."""


class LineConnection:
    """A TCP connection to a server whose answers are lines that end with CR LF."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")

    def send(self, data: bytes) -> None:
        """Send all bytes of `data` to the server."""
        self._socket.sendall(data)

    def line(self) -> bytes:
        """Return the next line of the server's answer, without the CR LF at its end.

        Raises `ConnectionError` at the end of the stream.
        """
        line = self._reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server has closed the connection")
        return line[:-2]

    def block(self, size: int) -> bytes:
        """Return the next `size` bytes of the answer (fewer at its end), and discard the CR LF after them."""
        return self._reader.read(size + 2)[:size]

    def close(self) -> None:
        """Close the connection to the server."""
        self._reader.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


C = TypeVar("C", bound=LineConnection)
T = TypeVar("T")


class CommandConnection(Generic[C]):
    """A server connection that this process keeps open and uses for all its isolation units.

    The connection stays open because opening a connection takes longer than running a command.
    """

    def __init__(self, connect: Callable[[], C]) -> None:
        self._connect = connect
        self._connection: C | None = None
        self._process = os.getpid()

    def run(self, command: Callable[[C], T]) -> T:
        """Call the function `command` with the connection, and return its result.

        If an open connection fails with an error other than a time-out, the server may have closed the
        connection. The function is then called again with a new connection.
        """
        if self._process != os.getpid():  # after a fork, the connection belongs to the parent process
            self._connection, self._process = None, os.getpid()
        was_open = self._connection is not None
        try:
            return self._run(command)
        except OSError as error:
            if not was_open or isinstance(error, TimeoutError):
                raise
            return self._run(command)

    def _run(self, command: Callable[[C], T]) -> T:
        if self._connection is None:
            self._connection = self._connect()
        try:
            return command(self._connection)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection if it is open; the next command opens a new connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError):  # a test can have closed all file descriptors
                connection.close()
