"""The messages of a port forward. `test_kubernetes_port_forward.py` connects clients with real sockets."""

from __future__ import annotations

import asyncio
import struct

import pytest

from infra_runtime.engines.kubernetes.live import tunnel
from infra_runtime.engines.kubernetes.live.kubectl import ClusterError

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
DATA, ERROR = b"\0", b"\1"
#: the first message of a channel contains the number of the port
PORT = struct.pack("<H", 8080)


class Written:
    """A stream that keeps what is written to it."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data

    async def drain(self) -> None: ...


def message(code: int, payload: bytes, *, last: bool = True) -> bytes:
    """A frame of a server, which is not masked."""
    size = len(payload)
    head = bytes([code | (0x80 if last else 0)])
    if size < 126:
        return head + bytes([size]) + payload
    return head + (struct.pack("!BH", 126, size) if size < 2**16 else struct.pack("!BQ", 127, size)) + payload


async def stream(*messages: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(b"".join(messages))
    reader.feed_eof()
    return reader


def received(*messages: bytes) -> tuple[bytes, bytes, list[str]]:
    """What the client and the pod get, and the errors, when the API server sends these messages."""
    client, pod, errors = Written(), Written(), list[str]()

    async def receive() -> None:
        await tunnel._receive(await stream(*messages), pod, client, errors.append)  # type: ignore[arg-type]

    asyncio.run(receive())
    return client.data, pod.data, errors


def read(*messages: bytes) -> list[tuple[int, bytes]]:
    async def frames() -> list[tuple[int, bytes]]:
        return [frame async for frame in tunnel.frames(await stream(*messages))]

    return asyncio.run(frames())


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_message_of_any_length_is_read_as_it_was_written(size: int) -> None:
    payload = bytes(range(256)) * (size // 256 + 1)

    assert read(message(BINARY, payload[:size])) == [(BINARY, payload[:size])]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_the_mask_of_a_sent_frame_gives_back_its_content(size: int) -> None:
    payload = (bytes(range(256)) * (size // 256 + 1))[:size]

    frame = tunnel.frame(BINARY, payload)

    key, masked = frame[len(frame) - size - 4 : len(frame) - size], frame[len(frame) - size :]
    assert bytes(byte ^ key[number % 4] for number, byte in enumerate(masked)) == payload
    assert frame[0] == 0x80 | BINARY
    assert frame[1] & 0x80


def test_the_parts_of_a_message_are_joined_and_a_ping_may_be_between_them() -> None:
    parts = message(TEXT, b"one ", last=False), message(PING, b"?"), message(0, b"message")

    assert read(*parts, message(BINARY, b"next")) == [(PING, b"?"), (TEXT, b"one message"), (BINARY, b"next")]


def test_nothing_is_read_after_the_end_of_the_connection() -> None:
    assert read(message(BINARY, b"first"), message(CLOSE, b""), message(BINARY, b"second")) == [
        (BINARY, b"first")
    ]
    assert read(message(BINARY, b"first"), message(BINARY, b"second")[:-1]) == [(BINARY, b"first")]


def test_a_frame_that_is_too_long_is_an_error() -> None:
    with pytest.raises(ClusterError, match=rf"sends a frame of {tunnel._LIMIT + 1} bytes"):
        read(struct.pack("!BBQ", 0x80 | BINARY, 127, tunnel._LIMIT + 1))


def test_the_client_gets_the_data_of_the_pod_without_the_number_of_the_port() -> None:
    messages = (message(BINARY, DATA + PORT), message(BINARY, DATA + b"hello "), message(TEXT, DATA + b"you"))

    assert received(*messages) == (b"hello you", b"", [])


def test_an_error_of_the_pod_is_reported_and_is_not_sent_to_the_client() -> None:
    messages = (message(BINARY, ERROR + PORT), message(BINARY, ERROR + b"connection refused\n"))

    assert received(*messages) == (b"", b"", ["connection refused"])


def test_a_ping_is_answered_with_its_content() -> None:
    client, answer, errors = received(message(PING, b"alive?"))

    size = len(b"alive?")
    key, masked = answer[2:6], answer[6:]
    assert (client, errors) == (b"", [])
    assert answer[0] == 0x80 | PONG
    assert answer[1] == 0x80 | size
    assert bytes(byte ^ key[number % 4] for number, byte in enumerate(masked)) == b"alive?"
