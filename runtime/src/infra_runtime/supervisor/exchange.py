"""Run the probe `Exchange`: send bytes to a service, read messages, and compare them with expected bytes."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import socket
from collections.abc import AsyncIterator, Iterable

from infra_runtime.spec import Exchange, Expect, LengthPrefix, Send, unescape
from infra_runtime.spec.probes import LONGEST_ANSWER

TYPE_CHECKING = False  # type checkers recognise this name; importing ssl takes a third of the boot time
if TYPE_CHECKING:
    import ssl

#: the greatest number of characters of an answer in the reason of a failed probe
QUOTED = 120
#: control characters, and the replacement character for bytes that are not UTF-8
_UNREADABLE = r"[\x00-\x1f\x7f\ufffd]+"


@contextlib.asynccontextmanager
async def connected(
    host: str, port: int, *, limit: int = LONGEST_ANSWER, tls: ssl.SSLContext | None = None, name: str = ""
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection, and close it at the end of the `with` block.

    `limit` is the size of the read buffer in bytes. With `tls`, the connection is encrypted, and `name` is
    the name of the server in the TLS handshake.
    """
    connection = await _connect(host, port)
    reader, writer = await asyncio.open_connection(
        sock=connection, limit=limit, ssl=tls, server_hostname=name if tls else None
    )
    try:
        yield reader, writer
    finally:
        writer.close()


async def _connect(host: str, port: int) -> socket.socket:
    """Return a socket that is connected to a port. Raises `OSError` if the connection fails.

    Until a service listens, attempts to connect are refused immediately. For a refused attempt, asyncio's
    `open_connection` needs ten times as much processor time as this function, because it waits in the event
    loop.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        _begin(connection, host, port)
        try:
            await asyncio.get_running_loop().sock_connect(connection, (host, port))
        except OSError as error:
            if error.errno != errno.EISCONN:  # some systems raise EISCONN if the socket is already connected
                raise
    except BaseException:
        connection.close()
        raise
    return connection


def _begin(connection: socket.socket, host: str, port: int) -> None:
    """Begin to connect without waiting. Raises `OSError` if the connection is refused immediately."""
    error_number = connection.connect_ex((host, port))
    if error_number in {errno.EINPROGRESS, errno.EWOULDBLOCK}:
        error_number = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error_number:
        raise OSError(error_number, os.strerror(error_number))


async def exchange(host: str, port: int, probe: Exchange) -> str | None:
    """Run all steps of an exchange probe; return None if every answer was as expected, else the reason.

    Raises `OSError` if the connection fails.
    """
    limit = max(step.limit for step in probe.steps if isinstance(step, Expect))
    async with connected(host, port, limit=limit) as (reader, writer):
        for step in probe.steps:
            if isinstance(step, Send):
                writer.write(unescape(step.text))
            elif (reason := await _receive(reader, step)) is not None:
                return reason
    return None


async def _receive(reader: asyncio.StreamReader, step: Expect) -> str | None:
    remaining_bytes, skip = step.limit, tuple(unescape(prefix) for prefix in step.skip)
    while True:
        try:
            message = await _message(reader, step.until, remaining_bytes)
        except asyncio.IncompleteReadError as error:
            answer = f"after {_quoted(error.partial)}" if error.partial else "without an answer"
            return f"the service closed the connection {answer}"
        except asyncio.LimitOverrunError:
            return f"the answer of the service is longer than {step.limit} bytes"
        remaining_bytes -= len(message)
        if not message.startswith(skip, step.at):
            return _judge(message, step)


async def _message(reader: asyncio.StreamReader, until: str | LengthPrefix, limit: int) -> bytes:
    """Return the next message of the service.

    `until` is the text at the end of each message, or describes which bytes of the header contain the length.
    Raises `IncompleteReadError` if the connection closes before the end of the message, `LimitOverrunError`
    if the message has more than `limit` bytes.
    """
    if isinstance(until, str):
        message = await reader.readuntil(unescape(until))
        if len(message) > limit:
            raise asyncio.LimitOverrunError("the skipped messages and this message exceed the limit", limit)
        return message
    header = await reader.readexactly(until.at + until.size)
    size = int.from_bytes(header[until.at :], until.order) + until.extra
    if size > limit:
        raise asyncio.LimitOverrunError(f"the message has {size} bytes", limit)
    return header + await reader.readexactly(max(size - len(header), 0))


def _judge(message: bytes, step: Expect) -> str | None:
    for prefix, reason in step.not_yet.items():
        if _begins(message, step.at, (prefix,)):
            return reason.replace("{answer}", readable(message[step.at :]))
    if not _begins(message, step.at, step.prefixes) and step.prefixes:
        expected = " or ".join(_quoted(unescape(prefix)) for prefix in step.prefixes)
        position = f" at offset {step.at}" if step.at else ""
        return f"the service answered {_quoted(message)}; expected {expected}{position}"
    if (content := unescape(step.contains)) not in message:
        return f"the service answered {_quoted(message)}, which does not contain {_quoted(content)}"
    return None


def _begins(message: bytes, offset: int, prefixes: Iterable[str]) -> bool:
    return message.startswith(tuple(unescape(prefix) for prefix in prefixes), offset)


def readable(message: bytes) -> str:
    """Return the longest sequence of readable characters in a message, at most `QUOTED` characters."""
    parts = re.split(_UNREADABLE, message.decode("utf-8", "replace"))
    return max(parts, key=len).strip()[:QUOTED]


def _quoted(message: bytes) -> str:
    """Return the beginning of a message as a quoted text; bytes that are not text are escaped."""
    text = message[:QUOTED].decode("utf-8", "replace").rstrip("\r\n")
    return repr(message[: QUOTED // 3])[1:] if re.search(_UNREADABLE, text) else repr(text)
