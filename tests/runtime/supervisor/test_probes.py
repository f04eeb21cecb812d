"""Probes against correct and faulty servers: a probe returns None or a reason, and never raises."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping

import pytest

from fakes.protocols import HOST, Handler, serving, silence
from infra_runtime.spec import ExecProbe, HttpProbe, PostgresProbe, Probe, TcpProbe
from infra_runtime.supervisor import probes
from infra_runtime.supervisor.probes import QUICKEST, SLOWEST, ask, interval

pytestmark = [pytest.mark.asyncio, pytest.mark.process]

POSTGRES = PostgresProbe(port="main", user="postgres", database="postgres")
SPEAKING: list[Probe] = [
    HttpProbe(port="main"),
    POSTGRES,
]
speaking = pytest.mark.parametrize("probe", SPEAKING, ids=lambda probe: type(probe).__name__)


def answering(*lines: bytes) -> Handler:
    """Return a handler that sends these lines after the first bytes of a request."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.writelines(lines)
        await writer.drain()

    return handle


def greeting(hello: bytes, answer: bytes) -> Handler:
    """Return a handler that sends `hello`, and `answer` after the first bytes of a request."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(hello)
        await reader.read(1024)
        writer.write(answer)
        await writer.drain()

    return handle


async def nothing(_command: tuple[str, ...], _env: Mapping[str, str]) -> int:
    raise AssertionError("only ExecProbe runs a command")


async def reason(probe: Probe, handler: Handler) -> str | None:
    async with serving(handler) as port:
        return await ask(probe, HOST, {"main": port}, nothing, "")


# --- any protocol ----------------------------------------------------------------------------------


@pytest.mark.parametrize("probe", [TcpProbe(port="main"), *SPEAKING], ids=lambda probe: type(probe).__name__)
async def test_the_reason_for_a_closed_port_is_the_text_of_the_system(probe) -> None:
    with socket.socket() as bound:
        bound.bind((HOST, 0))
        port = bound.getsockname()[1]

        assert await ask(probe, HOST, {"main": port}, nothing, "") == f"{HOST}:{port}: Connection refused"


@speaking
async def test_a_server_that_closes_the_connection_at_once_is_not_ready(probe) -> None:
    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    assert await reason(probe, close)


@speaking
async def test_a_server_that_resets_the_connection_is_not_ready(probe) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    assert await reason(probe, reset)


@speaking
async def test_a_server_that_sends_nothing_is_not_ready_after_the_timeout(probe, monkeypatch) -> None:
    monkeypatch.setattr(probes, "PATIENCE", 0.02)

    problem = await reason(probe, silence)

    assert problem is not None
    assert problem.endswith("no answer within 0.02 s")


@speaking
@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"\x00" * 64,
        b"\xff\xfe\xfd\xfc\xfb\xfa",
        b"E\xff\xff\xff\xff",
        b"E\x00\x00\x00\x00",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 " + b"9" * 5000 + b" X\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"x" * 200_000,
        b"INFO {}\r\nnonsense\r\n",
        b"-LOADING",
    ],
    ids=lambda garbage: repr(garbage[:12]),
)
async def test_a_probe_returns_a_reason_for_any_garbage(probe, garbage, monkeypatch) -> None:
    """Garbage must not crash the supervisor."""
    monkeypatch.setattr(probes, "PATIENCE", 0.05)

    assert await reason(probe, greeting(garbage, garbage))


async def test_a_port_that_accepts_is_enough_for_the_weakest_probe() -> None:
    assert await reason(TcpProbe(port="main"), silence) is None


# --- HTTP ------------------------------------------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_http_is_ready_when_the_status_is_in_the_range() -> None:
    assert await reason(HttpProbe(port="main"), answering(OK)) is None


async def test_status_and_body_of_an_http_error_are_in_the_reason() -> None:
    unwell = answering(b"HTTP/1.1 503 Service Unavailable\r\n\r\nJetStream is not current\n")

    problem = await reason(HttpProbe(port="main", path="/healthz"), unwell)

    assert problem == "/healthz: status 503, JetStream is not current"


async def test_a_text_is_found_in_a_body_that_arrives_in_pieces() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in (OK[:-2], b"o", b"k"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    assert await reason(HttpProbe(port="main", contains="ok"), slow) is None
    assert "does not contain 'fine'" in (await reason(HttpProbe(port="main", contains="fine"), slow) or "")


async def test_a_text_in_the_header_is_not_in_the_body() -> None:
    problem = await reason(HttpProbe(port="main", contains="OK"), answering(OK))

    assert problem == "/: the answer does not contain 'OK'"


async def test_a_status_line_may_arrive_in_pieces() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in (b"HTT", b"P/1.1 20", b"4 No Content\r\n", b"\r\n"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.002)

    assert await reason(HttpProbe(port="main"), slow) is None


async def test_an_http_request_is_not_sampled_so_that_traced_services_record_no_span() -> None:
    requests = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        requests.append([line for line in lines if line.lower().startswith("traceparent:")])
        writer.write(OK)

    await reason(HttpProbe(port="main"), listen)
    await reason(HttpProbe(port="main", headers={"Traceparent": "mine"}), listen)

    assert requests == [[f"traceparent: 00-{1:032x}-{1:016x}-00"], ["Traceparent: mine"]]


async def test_an_http_request_has_the_path_and_the_headers_of_the_probe() -> None:
    heard = b""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard = await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)

    await reason(HttpProbe(port="main", path="/up?x=1", headers={"Host": "app.test", "X-Key": "7"}), listen)

    lines = heard.decode().split("\r\n")
    assert lines[0] == "GET /up?x=1 HTTP/1.1"
    assert "Host: app.test" in lines
    assert "X-Key: 7" in lines
    assert sum(line.startswith("Host:") for line in lines) == 1


# --- PostgreSQL ------------------------------------------------------------------------------------


def postgres_error(code: str, message: str) -> bytes:
    fields = f"SFATAL\0C{code}\0M{message}\0\0".encode()
    return b"E" + struct.pack("!i", len(fields) + 4) + fields


async def test_postgres_is_ready_when_it_requests_a_password() -> None:
    demand = b"R" + struct.pack("!ii", 8, 3)

    assert await reason(POSTGRES, answering(demand)) is None


async def test_the_reason_of_a_starting_postgres_is_its_own_message() -> None:
    starting = postgres_error("57P03", "the database system is starting up")

    assert await reason(POSTGRES, answering(starting)) == "the database system is starting up"


async def test_postgres_that_rejects_the_client_is_ready() -> None:
    assert await reason(POSTGRES, answering(postgres_error("28000", "no entry"))) is None


async def test_the_start_up_packet_for_postgres_has_user_and_database() -> None:
    heard = b""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        (length,) = struct.unpack("!i", await reader.readexactly(4))
        heard = await reader.readexactly(length - 4)
        writer.write(b"R" + struct.pack("!ii", 8, 0))

    await reason(PostgresProbe(port="main", user="me", database="mine"), listen)

    assert heard == struct.pack("!i", 3 << 16) + b"user\0me\0database\0mine\0\0"


# --- commands --------------------------------------------------------------------------------------


async def test_a_command_is_ready_with_exit_status_0_and_its_status_is_the_reason_otherwise() -> None:
    async def run(command: tuple[str, ...], _env: Mapping[str, str]) -> int:
        return len(command) - 1

    assert await ask(ExecProbe(command=("check",)), HOST, {}, run, "") is None
    assert await ask(ExecProbe(command=("check", "x")), HOST, {}, run, "") == "check: exited with status 1"


async def test_a_command_that_does_not_exit_fails_at_its_own_deadline() -> None:
    async def run(_command: tuple[str, ...], _env: Mapping[str, str]) -> int:
        await asyncio.Event().wait()
        return 0

    problem = await ask(ExecProbe(command=("check",), timeout=0.01), HOST, {}, run, "")

    assert problem == "check: still running after 0.01 s"


async def test_a_missing_command_is_a_reason() -> None:
    async def run(_command: tuple[str, ...], _env: Mapping[str, str]) -> int:
        raise FileNotFoundError(2, "No such file or directory")

    problem = await ask(ExecProbe(command=("check",)), HOST, {}, run, "")

    assert problem == "check: No such file or directory"


# --- the number of runs ----------------------------------------------------------------------------


async def test_the_interval_between_attempts_grows_up_to_a_limit() -> None:
    assert interval(0) == QUICKEST
    assert interval(0.1) == pytest.approx(0.01)
    assert interval(60) == SLOWEST
