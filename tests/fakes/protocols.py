"""Probes for seven protocols as exchanges, and a fake server for each protocol.

A `Conversation` contains the messages of the server: a greeting, and the answer to one request. The numbers
in the messages are from the specifications of the protocols.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from infra_runtime.services.mariadb import PROTOCOL as MYSQL
from infra_runtime.services.nats import PROTOCOL as NATS
from infra_runtime.services.resp import READY as RESP
from infra_runtime.spec import Exchange, Expect, LengthPrefix, Send, escape

HOST = "127.0.0.1"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

#: Source: AMQP 0-9-1 specification, 2.2.4 "The Connection Class", 4.2.3 "General Frame Format"
AMQP = Exchange(
    port="main",
    steps=(
        Send(text="AMQP\\0\\0\\x09\\x01"),
        Expect(until=LengthPrefix(at=3, extra=8), at=7, prefixes=("\\0\\x0a\\0\\x0a",)),
    ),
)
#: Source: RFC 5321, 3.1 "Session Initiation" and 4.2.1 "Reply Code Severities"
SMTP = Exchange(
    port="main",
    steps=(
        Expect(prefixes=("220",), skip=("220-",), not_yet={"421": "{answer}"}),
        Send(text="EHLO localhost\\r\\n"),
        Expect(prefixes=("250",), skip=("250-",)),
    ),
)


def bson(*elements: bytes) -> bytes:
    """Return a BSON document. Source: the BSON specification."""
    body = b"".join(elements) + b"\0"
    return struct.pack("<i", len(body) + 4) + body


def op_msg(request: int, response_to: int, document: bytes) -> bytes:
    """Return an OP_MSG with one section. Source: MongoDB documentation, "Wire Protocol"."""
    body = struct.pack("<iii", request, response_to, 2013) + struct.pack("<i", 0) + b"\0" + document
    return struct.pack("<i", len(body) + 4) + body


HELLO = op_msg(1, 0, bson(b"\x10hello\0\1\0\0\0", b"\x02$db\0\6\0\0\0admin\0"))
OK = b"\x01ok\0" + struct.pack("<d", 1)
MONGODB = Exchange(
    port="main",
    steps=(
        Send(text=escape(HELLO)),
        Expect(
            until=LengthPrefix(order="little"),
            at=8,
            prefixes=("\\x01\\0\\0\\0\\xdd\\x07\\0\\0",),
            contains=escape(OK),
        ),
    ),
)

#: Source: Kafka documentation, "Protocol Guide", ApiVersions (key 18) version 0
VERSIONS = struct.pack("!ihhih", 10, 18, 0, 7, -1)
KAFKA = Exchange(
    port="main",
    steps=(
        Send(text=escape(VERSIONS)),
        Expect(
            until=LengthPrefix(extra=4),
            at=4,
            prefixes=("\\0\\0\\0\\x07\\0\\0",),
            not_yet={"\\0\\0\\0\\x07\\0\\x0f": "the coordinator is not available"},
        ),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """The messages that a server sends: a greeting, and the answer to the expected request."""

    greeting: bytes = b""
    request: bytes = b""
    answer: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A probe, a server that is ready, one that is not ready, and the reason that the probe then returns."""

    probe: Exchange
    ready: Conversation
    not_yet: Conversation
    reason: str


def packet(sequence: int, body: bytes) -> bytes:
    """Return a MySQL packet."""
    return len(body).to_bytes(3, "little") + bytes([sequence]) + body


def frame(body: bytes) -> bytes:
    """Return an AMQP method frame on channel 0."""
    return b"\x01\0\0" + struct.pack("!i", len(body)) + body + b"\xce"


def framed(body: bytes) -> bytes:
    """Return a Kafka response."""
    return struct.pack("!i", len(body)) + body


_INFO = b'INFO {"server_id":"X","connect_urls":[' + b'"127.0.0.1:4222",' * 500 + b'""]}\r\n'
_PING = b'CONNECT {"verbose":false}\r\nPING\r\n'
_HEADER = b"AMQP\0\0\x09\x01"
_FAILED = op_msg(9, 1, bson(b"\x01ok\0" + bytes(8), b"\x02errmsg\0\x0c\0\0\0starting up\0"))

PROTOCOLS = {
    "nats": Protocol(
        probe=NATS,
        ready=Conversation(greeting=_INFO, request=_PING, answer=b"INFO {}\r\nPONG\r\n"),
        not_yet=Conversation(greeting=_INFO, request=_PING, answer=b"-ERR 'too many connections'\r\n"),
        reason="answered \"-ERR 'too many connections'\"",
    ),
    "resp": Protocol(
        probe=RESP,
        ready=Conversation(request=b"PING\r\n", answer=b"+PONG\r\n"),
        not_yet=Conversation(request=b"PING\r\n", answer=b"-LOADING Valkey is loading the dataset\r\n"),
        reason="the server is loading its data",
    ),
    "amqp": Protocol(
        probe=AMQP,
        ready=Conversation(request=_HEADER, answer=frame(b"\0\x0a\0\x0a\0\x09" + bytes(200))),
        not_yet=Conversation(
            request=_HEADER, answer=frame(b"\0\x0a\0\x32\x01\x40\x14CONNECTION_FORCED...\0\0\0\0")
        ),
        reason="expected '\\x00\\n\\x00\\n' at offset 7",
    ),
    "smtp": Protocol(
        probe=SMTP,
        ready=Conversation(
            greeting=b"220-mail.test\r\n220 ready\r\n",
            request=b"EHLO localhost\r\n",
            answer=b"250-mail.test\r\n250-SIZE 1000\r\n250 HELP\r\n",
        ),
        not_yet=Conversation(greeting=b"421 mail.test is still starting\r\n"),
        reason="421 mail.test is still starting",
    ),
    "mysql": Protocol(
        probe=MYSQL,
        ready=Conversation(greeting=packet(0, b"\x0a8.4.0\0" + b"\xff" * 70)),
        not_yet=Conversation(greeting=packet(0, b"\xffi\x04Too many connections")),
        reason="Too many connections",
    ),
    "mongodb": Protocol(
        probe=MONGODB,
        ready=Conversation(request=HELLO, answer=op_msg(9, 1, bson(b"\x08isWritablePrimary\0\1", OK))),
        not_yet=Conversation(request=HELLO, answer=_FAILED),
        reason="which does not contain",
    ),
    "kafka": Protocol(
        probe=KAFKA,
        ready=Conversation(request=VERSIONS, answer=framed(b"\0\0\0\7\0\0" + bytes(40))),
        not_yet=Conversation(request=VERSIONS, answer=framed(b"\0\0\0\7\0\x0f\0\0\0\0")),
        reason="the coordinator is not available",
    ),
}


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    """Yield the port of a server that calls the handler for each connection and then closes it."""
    connections: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.append(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await handler(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, HOST, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for _ in range(3):  # the task of an accepted connection starts one iteration of the event loop later
            await asyncio.sleep(0)
    await asyncio.gather(*connections)


def speaking(conversation: Conversation, *, piece: int = 2**20) -> Handler:
    """Return a handler that answers only the expected request, in pieces of `piece` bytes."""

    async def send(writer: asyncio.StreamWriter, data: bytes) -> None:
        for start in range(0, len(data), piece):
            writer.write(data[start : start + piece])
            await writer.drain()
            await asyncio.sleep(0)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await send(writer, conversation.greeting)
        if (
            conversation.request
            and await reader.readexactly(len(conversation.request)) == conversation.request
        ):
            await send(writer, conversation.answer)
        await reader.read()

    return handle


async def silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Accept the connection, and send nothing until the client closes it."""
    while await reader.read(1024):
        pass


async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close the connection at once."""
    writer.close()


def endless(data: bytes) -> Handler:
    """Return a handler that sends the same bytes until the client closes the connection."""

    async def handle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(data)
            await writer.drain()

    return handle
