"""Asking a service whether it is ready, in its own protocol. A probe answers None, or why not yet."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from infra_runtime.spec import ExecProbe, HttpProbe, NatsProbe, PostgresProbe, Probe, RespProbe, TcpProbe

#: seconds for one answer; a server that hangs is asked again
PATIENCE = 2.0
#: seconds between two questions: a tenth of what was waited so far, within these bounds
QUICKEST, SLOWEST = 0.001, 0.05
LONGEST_BODY = 65536
_STATUS = re.compile(rb"HTTP/\d\.\d (\d{3})\b")
PROTOCOL_3 = 196608  # Source: PostgreSQL documentation, "Message Formats", StartupMessage
CANNOT_CONNECT_NOW = "57P03"  # Source: PostgreSQL documentation, "Error Codes"


async def ask(
    probe: Probe, host: str, ports: Mapping[str, int], run: Callable[[tuple[str, ...]], Awaitable[int]]
) -> str | None:
    """Ask once. None: ready. A text: why not yet. `run` runs a command and returns its exit status."""
    if isinstance(probe, ExecProbe):
        return await command(probe, run)
    port = ports[probe.port]
    try:
        async with asyncio.timeout(PATIENCE):
            match probe:
                case TcpProbe():
                    return await tcp(host, port)
                case HttpProbe():
                    return await http(host, port, probe)
                case PostgresProbe():
                    return await postgres(host, port, probe.user, probe.database)
                case RespProbe():
                    return await resp(host, port)
                case NatsProbe():
                    return await nats(host, port)
    except TimeoutError:
        reason = f"no answer within {PATIENCE:g} s"
    except OSError as error:
        # asyncio puts a text of its own into strerror; the system's is the one that people know.
        reason = os.strerror(error.errno) if error.errno else str(error)
    except asyncio.IncompleteReadError:
        reason = "closed the connection without an answer"
    except (ValueError, asyncio.LimitOverrunError):
        reason = f"its answer makes no sense to a {type(probe).__name__}"
    return f"{host}:{port}: {reason}"


def interval(waited: float) -> float:
    """Seconds until the next question, after so many seconds of waiting."""
    return min(max(waited * 0.1, QUICKEST), SLOWEST)


@contextlib.asynccontextmanager
async def _connected(
    host: str, port: int
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def tcp(host: str, port: int) -> str | None:
    """Something accepts."""
    async with _connected(host, port):
        return None


async def http(host: str, port: int, probe: HttpProbe) -> str | None:
    """A GET gets the status and the body that the probe wants. Source: RFC 9112."""
    headers = "".join(f"{name}: {value}\r\n" for name, value in probe.headers.items())
    host_header = "" if any(name.lower() == "host" for name in probe.headers) else f"Host: {host}:{port}\r\n"
    request = f"GET {probe.path} HTTP/1.1\r\n{host_header}{headers}Connection: close\r\n\r\n"
    wanted = probe.contains.encode()
    async with _connected(host, port) as (reader, writer):
        writer.write(request.encode())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as cut:
            head = cut.partial
        if (found := _STATUS.match(head)) is None:
            return f"{probe.path}: {head[:40]!r} is not HTTP"
        status = int(found[1])
        good = probe.status[0] <= status <= probe.status[1]
        if good and wanted in head:
            return None
        body = await _body(reader, wanted if good else b"")
    if good:
        return None if wanted in body else f"{probe.path}: the answer has no {probe.contains!r} in it"
    text = body[:120].decode(errors="replace").strip()
    return f"{probe.path}: status {status}" + (f", {text}" if text else "")


async def _body(reader: asyncio.StreamReader, wanted: bytes) -> bytes:
    """As much of a body as is needed; it may come in pieces, and its sender may forget to hang up."""
    body = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE / 4):
            while len(body) < LONGEST_BODY and (piece := await reader.read(LONGEST_BODY)):
                body += piece
                if wanted in body:
                    break
    return body


async def postgres(host: str, port: int, user: str, database: str) -> str | None:
    """The start-up packet gets a request to authenticate."""
    body = b"user\0%b\0database\0%b\0\0" % (user.encode(), database.encode())
    async with _connected(host, port) as (reader, writer):
        writer.write(struct.pack("!ii", len(body) + 8, PROTOCOL_3) + body)
        kind, length = struct.unpack("!ci", await reader.readexactly(5))
        if kind == b"R":
            return None
        if kind != b"E":
            return f"{host}:{port}: answered {kind!r}, which is not PostgreSQL"
        parts = (await reader.readexactly(length - 4)).split(b"\0")
    fields = {part[:1]: part[1:].decode(errors="replace") for part in parts if part}
    code, message = fields.get(b"C", ""), fields.get(b"M", "")
    # Any other refusal comes from a server that is up: it is the client's own affair.
    return message if code == CANNOT_CONNECT_NOW else None


async def resp(host: str, port: int) -> str | None:
    """PING gets PONG, or a demand to log in."""
    async with _connected(host, port) as (reader, writer):
        writer.write(b"PING\r\n")
        answer = (await reader.readline()).decode(errors="replace").strip()
    if answer == "+PONG" or answer.startswith(("-NOAUTH", "-NOPERM")):
        return None
    return f"{host}:{port}: {answer[:120] or 'closed the connection'}"


async def nats(host: str, port: int) -> str | None:
    """The server greets, and answers a PING (or asks who we are)."""
    async with _connected(host, port) as (reader, writer):
        greeting = await reader.readline()
        if not greeting.startswith(b"INFO "):
            return f"{host}:{port}: {greeting[:40]!r} is no greeting of NATS"
        writer.write(b'CONNECT {"verbose":false}\r\nPING\r\n')
        answer = (await reader.readline()).decode(errors="replace").strip()
    if answer == "PONG" or answer.startswith("-ERR 'Authorization"):
        return None
    return f"{host}:{port}: {answer[:120] or 'closed the connection'}"


async def command(probe: ExecProbe, run: Callable[[tuple[str, ...]], Awaitable[int]]) -> str | None:
    """The command exits with 0 in time; its output is in the service's log."""
    try:
        async with asyncio.timeout(probe.timeout):
            status = await run(probe.command)
    except TimeoutError:
        return f"{probe.command[0]}: no end within {probe.timeout:g} s"
    except OSError as error:
        return f"{probe.command[0]}: {error.strerror or error}"
    return None if status == 0 else f"{probe.command[0]}: exited with status {status}"
