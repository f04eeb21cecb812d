"""Exchanges with fake servers of seven protocols: ready, not ready, and faulty servers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes.protocols import (
    HOST,
    PROTOCOLS,
    SMTP,
    Conversation,
    Handler,
    Protocol,
    endless,
    hang_up,
    serving,
    silence,
    speaking,
)
from infra_runtime.spec import Exchange, Expect, LengthPrefix, Send
from infra_runtime.supervisor.exchange import readable
from infra_runtime.supervisor.probes import attempt

pytestmark = [pytest.mark.asyncio, pytest.mark.process]

every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
PATIENT = 30.0


async def reason(probe: Exchange, handler: Handler, *, seconds: float = PATIENT) -> str | None:
    async with serving(handler) as port:
        problem = await attempt(replace(probe, timeout=seconds), HOST, port)
        return problem.removeprefix(f"{HOST}:{port}: ") if problem else None


@every_protocol
async def test_a_server_that_is_ready_is_ready(protocol: Protocol) -> None:
    assert await reason(protocol.probe, speaking(protocol.ready)) is None


@every_protocol
async def test_an_answer_may_arrive_in_single_bytes(protocol: Protocol) -> None:
    assert await reason(protocol.probe, speaking(protocol.ready, piece=1)) is None


@every_protocol
async def test_a_server_that_is_not_ready_yet_gives_its_reason(protocol: Protocol) -> None:
    assert protocol.reason in (await reason(protocol.probe, speaking(protocol.not_yet)) or "")


@every_protocol
@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"\0" * 64,
        b"\xff\xfe\xfd\xfc\xfb\xfa\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 400 Bad\r\n\r\n",
    ],
    ids=lambda garbage: repr(garbage[:8]),
)
async def test_garbage_from_a_server_is_the_reason_why_it_is_not_ready(
    protocol: Protocol, garbage: bytes
) -> None:
    async def babble(reader, writer) -> None:
        writer.write(garbage)
        await writer.drain()
        await silence(reader, writer)

    assert await reason(protocol.probe, babble, seconds=0.05)


@every_protocol
async def test_a_connection_that_closes_at_once_is_a_reason(protocol: Protocol) -> None:
    problem = await reason(protocol.probe, hang_up)

    assert problem in {
        "the service closed the connection without an answer",
        "Connection reset by peer",
        "Broken pipe",
    }


@every_protocol
async def test_a_server_that_never_answers_fails_at_the_probes_deadline(protocol: Protocol) -> None:
    assert await reason(protocol.probe, silence, seconds=0.02) == "no answer within 0.02 s"


@every_protocol
async def test_an_endless_answer_is_bounded(protocol: Protocol) -> None:
    problem = await reason(protocol.probe, endless(b"\x7f" * 65536))

    assert problem == "the answer of the service is longer than 65536 bytes"


async def test_an_endless_number_of_skipped_messages_is_bounded() -> None:
    problem = await reason(SMTP, endless(b"220-not yet\r\n"))

    assert problem == "the answer of the service is longer than 65536 bytes"


async def test_a_connection_that_closes_in_the_middle_is_quoted() -> None:
    async def half(reader, writer) -> None:
        writer.write(b"220 mai")
        await writer.drain()

    assert await reason(SMTP, half) == "the service closed the connection after '220 mai'"


async def test_an_unexpected_answer_is_quoted_with_what_was_expected() -> None:
    problem = await reason(SMTP, speaking(Conversation(greeting=b"SSH-2.0-OpenSSH_9.9\r\n")))

    assert problem == "the service answered 'SSH-2.0-OpenSSH_9.9'; expected '220'"


async def test_the_limit_of_a_step_is_its_own() -> None:
    """A later step's larger limit does not raise the limit of an earlier one."""
    steps = (Expect(prefixes=("a",), limit=8), Send(text="b"), Expect(prefixes=("c",), limit=1000))

    problem = await reason(
        Exchange(port="main", steps=steps), speaking(Conversation(greeting=b"a" * 20 + b"\n"))
    )

    assert problem == "the answer of the service is longer than 8 bytes"


async def test_a_length_shorter_than_its_header_is_a_message_without_a_body() -> None:
    probe = Exchange(port="main", steps=(Expect(prefixes=("x",), at=4, until=LengthPrefix()),))

    assert "expected 'x' at offset 4" in (
        await reason(probe, speaking(Conversation(greeting=b"\0\0\0\1"))) or ""
    )


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"-LOADING data\r\n", "-LOADING data"),
        (b"\xffi\x04Host is blocked", "Host is blocked"),
        ("größer".encode(), "größer"),
        (b"\0\1\2", ""),
        (b"", ""),
    ],
)
async def test_the_readable_part_of_a_message_is_its_longest_text(message: bytes, text: str) -> None:
    assert readable(message) == text
