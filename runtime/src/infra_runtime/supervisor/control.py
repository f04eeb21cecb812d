"""The control socket: JSON-RPC 2.0 with one message per line, for processes of this user and of root.

An error with the code 1, which the specification does not define, contains an `InfraError` in its field
`data`. Source: JSON-RPC 2.0 specification.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from infra_runtime.errors import InfraError
from infra_runtime.host import ownership
from infra_runtime.host.ownership import peer_uid
from infra_runtime.message import MessageError

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND = -32700, -32600, -32601
INVALID_PARAMS, INTERNAL, OURS = -32602, -32603, 1
#: the greatest length of a line in bytes; the line with a plan of thousands of services has a few megabytes
LONGEST_LINE = 64 << 20


class Connection:
    """The supervisor's connection to one client."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._closing: list[Callable[[], None]] = []
        self._gone = False

    def at_end(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the connection closes for any reason; at once if it is already closed."""
        if self._gone:
            callback()
        else:
            self._closing.append(callback)

    def end(self) -> None:
        """Call the functions that were registered with `at_end`; the caller has closed the connection."""
        self._gone = True
        for callback in self._closing:
            callback()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message to the client; do nothing if the connection is closed.

        If more than `LONGEST_LINE` bytes are not yet read by the client, the connection is closed instead.
        """
        if self._writer.transport.get_write_buffer_size() > LONGEST_LINE:
            self._writer.transport.abort()
        if not self._writer.is_closing():
            self._writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a notification (a JSON-RPC message without an answer) to the client."""
        self.send({"jsonrpc": "2.0", "method": method, "params": params})


#: a function that handles a request: its arguments are the connection and the parameters (JSON data) of the
#: request, its result is the answer (JSON data)
Handler: TypeAlias = Callable[[Connection, Mapping[str, object]], Awaitable[object]]


class Control:
    """The server of the control socket; `handlers` is a mapping from the name of a method to its function."""

    def __init__(self, path: str, handlers: Mapping[str, Handler]) -> None:
        self.path = path
        self._handlers = handlers
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._tasks: set[asyncio.Task[None]] = set()
        #: the task for the client that has started the supervisor; the event loop has only a weak reference
        #: to a task
        self._adopted: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start listening for clients.

        The socket has the mode 0600 before it gets its path, so only this user and root can connect.
        """
        ownership.make_private_folder(os.path.dirname(self.path))
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | getattr(socket, "SOCK_CLOEXEC", 0))
        listener.setblocking(False)
        temporary = self.path + ".new"
        if os.path.lexists(temporary):
            os.unlink(temporary)
        listener.bind(temporary)
        os.chmod(temporary, 0o600)
        listener.listen(128)
        os.rename(temporary, self.path)
        self._inode = os.stat(self.path).st_ino
        self._server = await asyncio.start_server(self._serve, sock=listener, limit=LONGEST_LINE)

    def close(self) -> None:
        """Stop listening for clients; the existing connections stay open."""
        if self._server is not None:
            self._server.close()
            self._server = None
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)

    async def keep(self, interval: float = 1.0) -> None:
        """Check every `interval` seconds whether the socket file exists, and listen again if it was removed.

        Some machines remove old files in /tmp while a stack runs.
        """
        while True:
            await asyncio.sleep(interval)
            with contextlib.suppress(OSError):
                if not self._is_there():
                    self.close()
                    await self.open()

    def _is_there(self) -> bool:
        try:
            return os.stat(self.path).st_ino == self._inode
        except FileNotFoundError:
            return False

    def adopt(self, connected: socket.socket, received: bytes) -> None:
        """Serve a client on a connected socket.

        `received` contains the bytes that were already read from it.
        """
        self._adopted = asyncio.create_task(self._serve_adopted(connected, received))

    async def _serve_adopted(self, connected: socket.socket, received: bytes) -> None:
        reader, writer = await asyncio.open_connection(sock=connected, limit=LONGEST_LINE)
        reader.feed_data(received)
        await self._serve(reader, writer)

    async def flush(self) -> None:
        """Wait until the answers to all received requests are sent, for at most one second."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(writer)
        try:
            if peer_uid(writer.get_extra_info("socket")) not in {os.geteuid(), 0}:
                return
            while line := await reader.readline():
                task = asyncio.create_task(self._answer(connection, line))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (ConnectionError, ValueError, asyncio.CancelledError):
            pass  # the client has disconnected, or has sent a line longer than `LONGEST_LINE`
        finally:
            connection.end()
            writer.close()

    async def _answer(self, connection: Connection, line: bytes) -> None:
        """Handle a line that a client has sent.

        The answer to a request with an `id` is sent even after an internal error.
        """
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            connection.send({"jsonrpc": "2.0", "id": None, **_error(PARSE_ERROR, "not JSON")})
            return
        number = request.get("id") if isinstance(request, dict) else None
        if not _is_request(request):
            answer = _error(
                INVALID_REQUEST,
                "not a request: a request is an object with a string `method` and an object `params`",
            )
        else:
            answer = await self._call(connection, request["method"], request.get("params") or {})
            if "id" not in request:
                return  # a request without an `id` is a notification, which gets no answer
        connection.send({"jsonrpc": "2.0", "id": number, **answer})

    async def _call(self, connection: Connection, name: str, params: Mapping[str, object]) -> dict[str, Any]:
        if (handler := self._handlers.get(name)) is None:
            return _error(METHOD_NOT_FOUND, f"the method {name!r} does not exist")
        try:
            return await _outcome(handler, connection, params)
        except Exception as bug:  # noqa: BLE001 - the client gets an answer, and the log has the traceback
            traceback.print_exc()
            return _error(INTERNAL, f"{type(bug).__name__} in {name}; the supervisor's log has the traceback")


async def _outcome(handler: Handler, connection: Connection, params: Mapping[str, object]) -> dict[str, Any]:
    """Call a handler; return its result, or the error that it raised, as the JSON data of an answer."""
    try:
        answer: dict[str, Any] = {"result": await handler(connection, params)}
    except InfraError as failure:
        answer = _error(OURS, str(failure), data=failure.to_json())
    except MessageError as error:
        answer = _error(INVALID_PARAMS, str(error))
    json.dumps(answer)  # raises an exception if the handler's result is not JSON data
    return answer


def _is_request(data: object) -> bool:
    if not isinstance(data, dict):
        return False
    return isinstance(data.get("method"), str) and isinstance(data.get("params") or {}, dict)


def _error(code: int, message: str, **fields: object) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **fields}}
