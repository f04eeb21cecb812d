"""The control socket: only its user can connect, and invalid messages do not stop the supervisor."""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra_runtime.errors import StartError, UnknownServiceError, from_json
from infra_runtime.message import Message, decode
from infra_runtime.supervisor import control as control_module
from infra_runtime.supervisor.control import Connection, Control, peer_uid

pytestmark = [pytest.mark.asyncio, pytest.mark.process]

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND = -32700, -32600, -32601
INVALID_PARAMS, INTERNAL, OURS = -32602, -32603, 1


@pytest.fixture
def path() -> Iterator[Path]:
    """A path that is short enough for a socket."""
    folder = tempfile.mkdtemp(prefix="infra-control-")
    yield Path(folder, "run", "control")
    shutil.rmtree(folder)


class Which(Message):
    which: str


class Methods:
    """Some methods of the control socket, and a record of the connections that called them."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.connections: list[Connection] = []
        self.gone: list[str] = []

    async def echo(self, _connection: Connection, params: dict[str, Any]) -> dict[str, Any]:
        return params

    async def hold(self, connection: Connection, _params: dict[str, Any]) -> dict[str, Any]:
        self.connections.append(connection)
        connection.at_end(lambda: self.gone.append("holder"))
        return {}

    async def wait(self, _connection: Connection, _params: dict[str, Any]) -> dict[str, Any]:
        await self.gate.wait()
        return {"waited": True}

    async def fail(self, _connection: Connection, _params: dict[str, Any]) -> dict[str, Any]:
        raise StartError("db", "exited with status 3", ["a line"], "/logs/db.log")

    async def pick(self, _connection: Connection, params: dict[str, Any]) -> dict[str, Any]:
        return {"picked": decode(Which, params).which}

    async def broken(self, _connection: Connection, _params: dict[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError("a bug")

    async def mute(self, _connection: Connection, _params: dict[str, Any]) -> dict[str, Any]:
        raise UnknownServiceError(5, ["web"])  # type: ignore[arg-type]  # its text cannot be made

    async def opaque(self, _connection: Connection, _params: dict[str, Any]) -> dict[str, Any]:
        return {"answer": object()}

    async def opaque_error(self, _connection: Connection, _params: dict[str, Any]) -> dict[str, Any]:
        raise StartError("db", "exited", [object()])  # type: ignore[list-item]  # not JSON data

    def table(self) -> dict[str, Any]:
        names = "echo hold wait fail pick broken mute opaque opaque_error"
        return {name: getattr(self, name) for name in names.split()}


class Peer:
    """A client that sends lines and receives JSON."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, line: bytes) -> None:
        self.writer.write(line + b"\n")

    def call(self, number: int, method: str, **params: object) -> None:
        self.say(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode())

    async def receive(self) -> dict[str, Any]:
        return json.loads(await asyncio.wait_for(self.reader.readline(), 60))

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def serving(path: Path) -> AsyncIterator[tuple[Control, Methods]]:
    methods = Methods()
    control = Control(str(path), methods.table())
    await control.open()
    try:
        yield control, methods
    finally:
        methods.gate.set()
        control.close()
        await control.flush()
        # The connections end after their clients have closed them; a transport that is open after the test
        # would be reported in another test.
        if serving_tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(serving_tasks, timeout=60)
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def connected(path: Path) -> AsyncIterator[Peer]:
    peer = Peer(*await asyncio.open_unix_connection(path, limit=1 << 26))
    try:
        yield peer
    finally:
        await peer.close()


# --- permissions -----------------------------------------------------------------------------------


async def test_only_the_owner_can_open_the_socket(path) -> None:
    async with serving(path):
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_a_peer_is_known_by_its_uid() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert peer_uid(one) == os.geteuid()


async def test_a_process_of_another_user_gets_no_answer(path, monkeypatch) -> None:
    monkeypatch.setattr(control_module, "peer_uid", lambda _peer: os.geteuid() + 4711)

    async with serving(path), connected(path) as peer:
        peer.call(1, "echo")

        with contextlib.suppress(ConnectionError):
            assert await peer.reader.read() == b""


async def test_a_stale_socket_is_replaced(path) -> None:
    path.parent.mkdir(mode=0o700)
    for name in (path, f"{path}.new"):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(name))

    async with serving(path), connected(path) as peer:
        peer.call(1, "echo")

        assert (await peer.receive())["id"] == 1


# --- messages --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"nonsense", PARSE_ERROR),
        (b"\xff\xfe", PARSE_ERROR),
        (b"", PARSE_ERROR),
        (b"[" * 100_000, PARSE_ERROR),
        (b"[]", INVALID_REQUEST),
        (b"7", INVALID_REQUEST),
        (b"null", INVALID_REQUEST),
        (b"{}", INVALID_REQUEST),
        (b'{"id": 1, "method": {}}', INVALID_REQUEST),
        (b'{"id": 1, "method": "echo", "params": [1]}', INVALID_REQUEST),
        (b'{"id": 1, "method": "ghost"}', METHOD_NOT_FOUND),
        (b'{"id": 1, "method": "__init__"}', METHOD_NOT_FOUND),
        (b'{"id": 1, "method": "pick"}', INVALID_PARAMS),
        (b'{"id": 1, "method": "broken"}', INTERNAL),
        (b'{"id": 1, "method": "mute"}', INTERNAL),
        (b'{"id": 1, "method": "opaque"}', INTERNAL),
        (b'{"id": 1, "method": "opaque_error"}', INTERNAL),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else str(value),
)
async def test_a_refused_request_is_answered_with_its_error_code(path, line, code) -> None:
    async with serving(path), connected(path) as peer:
        peer.say(line)
        answer = await peer.receive()

        assert answer["error"]["code"] == code
        assert code != INVALID_PARAMS or answer["error"]["message"] == "which: is missing"
        peer.call(2, "echo", still="here")
        assert (await peer.receive())["result"] == {"still": "here"}


async def test_an_infra_error_arrives_with_all_its_fields(path) -> None:
    async with serving(path), connected(path) as peer:
        peer.call(1, "fail")
        error = (await peer.receive())["error"]

    assert error["code"] == OURS
    decoded = from_json(error["data"])
    assert isinstance(decoded, StartError)
    assert decoded.log_tail == ["a line"]


async def test_a_notification_is_handled_and_not_answered(path) -> None:
    async with serving(path) as (_, methods), connected(path) as peer:
        peer.say(b'{"jsonrpc": "2.0", "method": "hold"}')
        peer.call(7, "echo")

        assert (await peer.receive())["id"] == 7
        assert len(methods.connections) == 1


async def test_a_line_above_the_limit_closes_only_its_own_connection(path, monkeypatch) -> None:
    monkeypatch.setattr(control_module, "LONGEST_LINE", 1000)

    async with serving(path), connected(path) as rude, connected(path) as other:
        rude.say(b"x" * 100_000)

        with contextlib.suppress(ConnectionError):
            assert await rude.reader.read() == b""
        other.call(1, "echo")
        assert (await other.receive())["id"] == 1


async def test_a_plan_of_megabytes_is_accepted(path) -> None:
    async with serving(path), connected(path) as peer:
        peer.call(1, "echo", text="x" * 5_000_000)

        assert len((await peer.receive())["result"]["text"]) == 5_000_000


# --- many at once ----------------------------------------------------------------------------------


async def test_a_slow_request_delays_no_other_request(path) -> None:
    async with serving(path) as (_, methods), connected(path) as peer:
        peer.call(1, "wait")
        peer.call(2, "echo")
        assert (await peer.receive())["id"] == 2

        methods.gate.set()
        assert await peer.receive() == {"jsonrpc": "2.0", "id": 1, "result": {"waited": True}}


async def test_many_requests_at_once_get_an_answer_each(path) -> None:
    async with serving(path), connected(path) as one, connected(path) as other:
        for number in range(200):
            one.call(number, "echo", value=number)
            other.call(number, "echo", value=-number)

        answers = [await one.receive() for _ in range(200)]
        others = [await other.receive() for _ in range(200)]

    assert {it["id"]: it["result"]["value"] for it in answers} == {number: number for number in range(200)}
    assert {it["id"]: it["result"]["value"] for it in others} == {number: -number for number in range(200)}


async def test_a_client_that_disconnects_during_a_request_is_removed(path) -> None:
    async with serving(path) as (_, methods):
        async with connected(path) as peer:
            peer.call(1, "hold")
            await peer.receive()
            peer.call(2, "wait")
            peer.writer.write(b'{"id": 3, "method": "ec')
            peer.writer.transport.abort()

        methods.gate.set()
        async with connected(path) as other:
            other.call(1, "echo")
            assert (await other.receive())["id"] == 1
        assert methods.gone == ["holder"]


async def test_a_client_that_subscribes_and_never_reads_is_let_go(path, monkeypatch) -> None:
    async with serving(path) as (_, methods), connected(path) as other:
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.connect(str(path))
            deaf.sendall(b'{"id": 1, "method": "hold"}\n')
            other.call(1, "echo")
            await other.receive()
            [connection] = methods.connections
            monkeypatch.setattr(control_module, "LONGEST_LINE", 1_000_000)

            for _ in range(10):
                connection.notify("event", {"text": "x" * 500_000})
                other.call(1, "echo")
                await other.receive()

            assert methods.gone == ["holder"]


# --- the socket's file -----------------------------------------------------------------------------


async def test_connected_clients_stay_connected_at_the_limit_of_connections(path) -> None:
    async with serving(path) as (control, _), connected(path) as peer:
        peer.call(1, "echo")
        await peer.receive()

        control.close()

        assert not path.exists()
        peer.call(2, "echo")
        assert (await peer.receive())["id"] == 2


@pytest.mark.parametrize("removed", ["file", "folder"])
async def test_a_removed_socket_is_created_again(path, removed) -> None:
    async with serving(path) as (control, _), connected(path) as before:
        before.call(1, "echo")
        await before.receive()
        keeping = asyncio.create_task(control.keep(interval=0.001))
        if removed == "file":
            path.unlink()
        else:
            shutil.rmtree(path.parent)

        while not path.exists():  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.001)

        async with connected(path) as after:
            after.call(1, "echo")
            before.call(2, "echo")
            assert (await after.receive())["id"] == 1
            assert (await before.receive())["id"] == 2
        assert path.stat().st_mode & 0o777 == 0o600
        keeping.cancel()


async def test_a_socket_whose_file_was_removed_can_be_closed(path) -> None:
    async with serving(path) as (control, _):
        path.unlink()

        control.close()
