"""Connections to a port of a pod, one WebSocket for each, through `kubectl proxy` on a Unix socket.

`kubectl proxy` provides the authentication. `kubectl port-forward` has one connection to the API server for
all connections of its clients, and ends all of them when the pod resets one of them.

Sources: RFC 6455; Kubernetes, `k8s.io/cri-streaming`, `portforward/websocket.go`: channel 0 has the data of
the port and channel 1 an error; the first message of each channel is the number of the port.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from infra_runtime.errors import ClusterError
from infra_runtime.value import frozen

_PROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = 0, 1
#: operation codes of frames
_CONTINUED, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
#: bytes of one read, and the largest frame that is accepted
_BLOCK, _LIMIT = 1 << 16, 1 << 24
#: seconds until the API server must have connected to the pod
_TIMEOUT = 30.0
#: seconds in which a client that has sent everything receives the rest of the answer
_LAST_ANSWER = 2.0


@frozen
class Place:
    """A port of a pod, and the socket of `kubectl proxy`."""

    socket: Path
    namespace: str
    pod: str
    port: int

    def path(self) -> str:
        """Return the path of the request that opens a connection."""
        return f"{portforward(self.namespace, self.pod)}?ports={self.port}"


def portforward(namespace: str, pod: str) -> str:
    """Return the path at the API server with which ports of a pod are reached."""
    return f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward"


async def relay(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: Place, say: Callable[[str], None]
) -> None:
    """Connect a client with a port of a pod until one of them ends the connection.

    The protocol cannot end one direction only: when the client has sent everything, the pod can send for
    `_LAST_ANSWER` seconds before the connection ends. `say` receives the reason if the pod cannot be reached.
    """
    try:
        async with _opened(place) as (upstream, to_pod):
            sending = asyncio.ensure_future(_send(reader, to_pod))
            receiving = asyncio.ensure_future(_receive(upstream, to_pod, writer, say))
            try:
                await asyncio.wait((sending, receiving), return_when=asyncio.FIRST_COMPLETED)
                if not receiving.done():
                    await asyncio.wait((receiving,), timeout=_LAST_ANSWER)
                if receiving.done():
                    receiving.result()
                to_pod.write(frame(_CLOSE, struct.pack("!H", 1000)))
                await to_pod.drain()
            finally:
                for task in (sending, receiving):
                    task.cancel()
                await asyncio.gather(sending, receiving, return_exceptions=True)
    except (ClusterError, OSError, asyncio.IncompleteReadError, TimeoutError) as error:
        say(f"the port {place.port} of the pod {place.pod} cannot be reached: {str(error) or 'no answer'}")
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def _opened(place: Place) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a WebSocket to a port of a pod, and close it at the end of the `async with` statement."""
    reader, writer = await asyncio.open_unix_connection(place.socket, limit=_LIMIT)
    try:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {place.path()} HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket",
            "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", f"Sec-WebSocket-Protocol: {_PROTOCOL}",
        ]  # fmt: skip
        writer.write("\r\n".join([*lines, "", ""]).encode("ascii"))
        async with asyncio.timeout(_TIMEOUT):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
        if head[0].split()[1:2] != ["101"]:
            raise ClusterError(f"the API server answers {head[0].partition(' ')[2]}")
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _send(reader: asyncio.StreamReader, to_pod: asyncio.StreamWriter) -> None:
    """Send the bytes of the client as messages until the client has sent everything."""
    while block := await reader.read(_BLOCK):
        to_pod.write(frame(_BINARY, bytes([_DATA]) + block))
        await to_pod.drain()


async def _receive(
    upstream: asyncio.StreamReader,
    to_pod: asyncio.StreamWriter,
    writer: asyncio.StreamWriter,
    say: Callable[[str], None],
) -> None:
    """Write the bytes of the pod to the client until the pod ends the connection."""
    started: set[int] = set()
    async for code, payload in frames(upstream):
        if code == _PING:
            to_pod.write(frame(_PONG, payload))
        elif payload and code in {_TEXT, _BINARY}:
            channel, content = payload[0], payload[1:]
            if channel not in started:
                started.add(channel)
                content = content[2:]  # the number of the port
            if channel == _DATA and content:
                writer.write(content)
                await writer.drain()
            elif channel == _ERROR and content:
                say(content.decode("utf-8", "replace").strip())


async def frames(reader: asyncio.StreamReader) -> AsyncIterator[tuple[int, bytes]]:
    """Yield operation code and content of each message until the connection ends."""
    code, parts = _BINARY, list[bytes]()
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            first, second = await reader.readexactly(2)
            size = second & 0x7F
            if size > 125:
                width = 2 if size == 126 else 8
                size = int.from_bytes(await reader.readexactly(width), "big")
            if size > _LIMIT:
                raise ClusterError(f"the API server sends a frame of {size} bytes")
            payload, operation = await reader.readexactly(size), first & 0x0F
            if operation == _CLOSE:
                return
            if operation >= _CLOSE:  # control frames may be between the parts of a message
                yield operation, payload
                continue
            code = operation if operation != _CONTINUED else code
            parts.append(payload)
            if first & 0x80:
                yield code, b"".join(parts)
                parts.clear()


def frame(code: int, payload: bytes) -> bytes:
    """Return a frame of a client, which is masked. Source: RFC 6455, section 5.3."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | code, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | code, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | code, 0x80 | 127, size)
    key = os.urandom(4)
    mask = (key * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "little") ^ int.from_bytes(mask, "little")
    return head + key + masked.to_bytes(size, "little")
