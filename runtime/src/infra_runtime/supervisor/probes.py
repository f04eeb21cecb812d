"""Run one attempt of a probe: connect to a service in its own protocol and check that it is ready."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import struct
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from infra_runtime.spec import (
    Exchange,
    ExecProbe,
    HttpProbe,
    PortProbe,
    PostgresProbe,
    Probe,
    TcpProbe,
    encode,
)
from infra_runtime.spec.probes import PATIENCE
from infra_runtime.supervisor.exchange import connected, exchange

TYPE_CHECKING = False  # type checkers recognise this name; importing ssl takes a third of the boot time
if TYPE_CHECKING:
    import ssl

#: a function that runs a command with additional environment variables and returns the exit status
Runner: TypeAlias = Callable[[tuple[str, ...], Mapping[str, str]], Awaitable[int]]

#: the environment variable that contains the probe, for the process of an HTTPS probe
HTTPS_PROBE = "INFRA_HTTPS_PROBE"
#: seconds that are added to the time limit of an HTTPS probe for the start of its process on a busy machine
BOOT = 5.0
#: the least and the greatest number of seconds between two attempts; between these bounds, the number is a
#: tenth of the time since the first attempt
QUICKEST, SLOWEST = 0.001, 0.05
#: the number of bytes after which an HTTP probe stops reading a response's body; the last read can exceed it
LONGEST_BODY = 65536
#: the header `traceparent` for the requests of probes: a service with tracing records no span for such a
#: request. Source: W3C Trace Context, "Trace-flags"
UNSAMPLED = f"00-{1:032x}-{1:016x}-00"
_STATUS = rb"HTTP/\d\.\d (\d{3})\b"
PROTOCOL_3 = 196608  # Source: PostgreSQL documentation, "Message Formats", StartupMessage
CANNOT_CONNECT_NOW = "57P03"  # Source: PostgreSQL documentation, "Error Codes"


async def ask(probe: Probe, host: str, ports: Mapping[str, int], run: Runner, folder: str) -> str | None:
    """Run one attempt of a probe of any kind; return None if the service is ready, else the reason.

    `ports` is a mapping from port name to number. `run` runs a command and returns its exit status. `folder`
    is the folder for the file that the process of an HTTPS probe writes.
    """
    if isinstance(probe, ExecProbe):
        return await command(probe, run)
    port = ports[probe.port]
    if isinstance(probe, HttpProbe) and probe.tls:
        return await https(host, port, probe, run, f"{folder}/probe")
    return await attempt(probe, host, port)


async def attempt(probe: PortProbe, host: str, port: int, tls: ssl.SSLContext | None = None) -> str | None:
    """Run one attempt of a probe on a port; return None if the service is ready, else the reason.

    With `tls`, the HTTP request is encrypted.
    """
    timeout = probe.timeout if isinstance(probe, Exchange) else PATIENCE
    try:
        async with asyncio.timeout(timeout):
            match probe:
                case TcpProbe():
                    return await tcp(host, port)
                case HttpProbe():
                    return await http(host, port, probe, tls)
                case PostgresProbe():
                    return await postgres(host, port, probe)
                case Exchange():
                    if (reason := await exchange(host, port, probe)) is None:
                        return None
    except TimeoutError:
        reason = f"no answer within {timeout:g} s"
    except OSError as error:
        # asyncio replaces strerror by its own text, but the text of the operating system is more usual. The
        # errno of an error of the module ssl is not a number of the operating system.
        error_number = error.errno if type(error).__module__ == "builtins" else None
        reason = os.strerror(error_number) if error_number else str(error)
    except asyncio.IncompleteReadError:
        reason = "the service closed the connection without an answer"
    except (ValueError, asyncio.LimitOverrunError):
        reason = f"a {type(probe).__name__} cannot read the answer of the service"
    return f"{host}:{port}: {reason}"


def interval(waited: float) -> float:
    """Return the seconds until the next attempt of a probe; `waited` is the time since the first attempt."""
    return min(max(waited * 0.1, QUICKEST), SLOWEST)


async def tcp(host: str, port: int) -> str | None:
    """Run a TCP probe: connect to a port and close the connection; return None, because the service is ready.

    Raises `OSError` if the port does not accept the connection.
    """
    async with connected(host, port):
        return None


async def http(host: str, port: int, probe: HttpProbe, tls: ssl.SSLContext | None = None) -> str | None:
    """Send a GET request; return None if status and body are as the probe expects, else the reason.

    Source: RFC 9112.
    """
    header_names = {name.lower() for name in probe.headers}
    defaults = {"Host": f"{host}:{port}", "traceparent": UNSAMPLED}
    headers = {name: value for name, value in defaults.items() if name.lower() not in header_names}
    headers |= {**probe.headers, "Connection": "close"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"GET {probe.path} HTTP/1.1\r\n{lines}\r\n"
    content = probe.contains.encode()
    async with connected(host, port, tls=tls, name=probe.server_name) as (reader, writer):
        writer.write(request.encode())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            head = error.partial
        if (status_line := re.match(_STATUS, head)) is None:
            return f"{probe.path}: the answer {head[:40]!r} is not HTTP"
        status = int(status_line[1])
        accepted = probe.status[0] <= status <= probe.status[1]
        if accepted and not content:
            return None
        body = await _body(reader, content if accepted else b"")
    if accepted:
        return None if content in body else f"{probe.path}: the answer does not contain {probe.contains!r}"
    text = body[:120].decode(errors="replace").strip()
    return f"{probe.path}: status {status}" + (f", {text}" if text else "")


async def _body(reader: asyncio.StreamReader, content: bytes) -> bytes:
    """Read the body of an HTTP response until it contains `content`, and return what was read.

    The server may leave the connection open, so a time limit ends the read, too.
    """
    body = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE / 4):
            while len(body) < LONGEST_BODY and (block := await reader.read(LONGEST_BODY)):
                body += block
                if content in body:
                    break
    return body


async def postgres(host: str, port: int, probe: PostgresProbe) -> str | None:
    """Run the probe of PostgreSQL; return None if the service is ready, else the reason.

    The probe sends a start-up packet and expects a request for authentication; if the probe has a password,
    it then sets the password of its role. A server that answers with another error than 57P03 is ready, too.
    """
    body = b"user\0%b\0database\0%b\0\0" % (probe.user.encode(), probe.database.encode())
    async with connected(host, port) as (reader, writer):
        writer.write(struct.pack("!ii", len(body) + 8, PROTOCOL_3) + body)
        kind, length = struct.unpack("!ci", await reader.readexactly(5))
        if kind == b"R":
            return await _password(port, probe) if probe.password else None
        if kind != b"E":
            return f"{host}:{port}: the service answered {kind!r}, which is not an answer of PostgreSQL"
        parts = (await reader.readexactly(length - 4)).split(b"\0")
    fields = {part[:1]: part[1:].decode(errors="replace") for part in parts if part}
    code, message = fields.get(b"C", ""), fields.get(b"M", "")
    # A server that answers with another error is ready.
    return message if code == CANNOT_CONNECT_NOW else None


async def _password(port: int, probe: PostgresProbe) -> str | None:
    from infra_runtime.supervisor.postgres_password import set_password  # only PostgreSQL needs this module

    if not probe.socket:
        return "the password cannot be set without a socket: set `unix_socket_directories` to a folder"
    return await set_password(f"{probe.socket}/.s.PGSQL.{port}", probe.user, probe.password, probe.iterations)


async def https(host: str, port: int, probe: HttpProbe, run: Runner, reason_path: str) -> str | None:
    """Run an HTTPS probe in a new process; return None if the service is ready, else the reason.

    The process begins new attempts for `PATIENCE` seconds, and then writes the reason to the file at
    `reason_path`. The probe is passed in an environment variable: other users can read the arguments of a
    process, and the headers of the probe may contain secrets.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(reason_path)
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = f"import sys; sys.path.insert(0, {root!r}); "
    code += "from infra_runtime.supervisor.https_child import main; main()"
    argv = (sys.executable, "-I", "-S", "-c", code, host, str(port), reason_path)
    try:
        async with asyncio.timeout(PATIENCE + BOOT):
            status = await run(argv, {HTTPS_PROBE: json.dumps(encode(probe))})
    except TimeoutError:
        return f"{host}:{port}: no answer within {PATIENCE + BOOT:g} s"
    except OSError as error:
        return f"{sys.executable}: {error.strerror or error}"
    if status == 0:
        return None
    try:
        with open(reason_path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return (
            f"the process of the HTTPS probe exited with status {status}; its output is in the service's log"
        )


async def command(probe: ExecProbe, run: Runner) -> str | None:
    """Run the command of a probe; return None if it exits with 0 (the service is ready), else the reason.

    The output of the command is written to the service's log.
    """
    try:
        async with asyncio.timeout(probe.timeout):
            status = await run(probe.command, {})
    except TimeoutError:
        return f"{probe.command[0]}: still running after {probe.timeout:g} s"
    except OSError as error:
        return f"{probe.command[0]}: {error.strerror or error}"
    return None if status == 0 else f"{probe.command[0]}: exited with status {status}"
