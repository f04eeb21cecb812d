"""The stored form of a password, and the login on a server's socket, against a fake server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from infra_runtime.supervisor.argv import LEFT_OUT
from infra_runtime.supervisor.postgres_password import set_password, stored_form

READY = b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I"


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def test_the_stored_password_has_the_format_of_rfc_7677() -> None:
    """The RFC has the salt, the rounds and the server's signature of an exchange; the keys are derived."""
    stored = stored_form("pencil", bytes.fromhex("5b6d99689d12359fb5ff7e6e3a2a4a58"), 4096)

    head, keys = stored.rsplit("$", 1)
    assert head == "SCRAM-SHA-256$4096:W22ZaJ0SNZ+1/35uOipKWA=="
    assert [len(key) for key in keys.split(":")] == [44, 44]
    assert "pencil" not in stored


@pytest.mark.process
def test_the_stored_form_needs_no_module_that_the_supervisor_leaves_out() -> None:
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}; sys.modules.update(dict.fromkeys({LEFT_OUT!r}))\n"
        "from infra_runtime.supervisor.postgres_password import stored_form\n"
        "print(stored_form('pencil', bytes(16), 2))"
    )

    result = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == stored_form("pencil", bytes(16), 2)


def test_the_keys_are_those_of_openssl() -> None:
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", bytes(16), 1000)
    client_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()

    assert f":{base64.b64encode(hmac.digest(salted, b'Server Key', 'sha256')).decode()}" in stored_form(
        "pencil", bytes(16), 1000
    )
    assert f"${base64.b64encode(client_key).decode()}:" in stored_form("pencil", bytes(16), 1000)


@asynccontextmanager
async def server(folder: Path, start: bytes, answer: Callable[[str], bytes]) -> AsyncIterator[list[str]]:
    """Serve a PostgreSQL socket; yield the queries that arrive."""
    queries: list[str] = []
    served: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.current_task())
        (length,) = struct.unpack("!i", await reader.readexactly(4))
        await reader.readexactly(length - 4)
        writer.write(start)
        while (kind := await reader.read(1)) == b"Q":
            (length,) = struct.unpack("!i", await reader.readexactly(4))
            queries.append((await reader.readexactly(length - 4))[:-1].decode())
            writer.write(answer(queries[-1]) + b"Z\0\0\0\x05I")
        assert kind in {b"X", b""}
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_unix_server(serve, folder / "s"):
        yield queries
        await asyncio.gather(*filter(None, served))


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_role_without_a_password_gets_one(tmp_path) -> None:
    async with server(tmp_path, READY, lambda query: message(b"D") * query.startswith("select")) as queries:
        assert await set_password(str(tmp_path / "s"), "o'neil", "hunter2", 1) is None

    assert "rolname = 'o''neil'" in queries[0]
    assert queries[1].startswith("alter role \"o'neil\" password 'SCRAM-SHA-256$1:")
    assert "hunter2" not in "".join(queries)


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_role_with_a_password_keeps_it(tmp_path) -> None:
    async with server(tmp_path, READY, lambda _: b"") as queries:
        assert await set_password(str(tmp_path / "s"), "postgres", "hunter2", 1) is None

    assert len(queries) == 1


@pytest.mark.process
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (b"R\0\0\0\x08\0\0\0\x0a", "requires a password: add the line `local all all trust`"),
        (message(b"E", b"SFATAL\0Mtoo many clients\0\0"), "cannot set the password: too many clients"),
    ],
)
async def test_a_refused_login_is_the_reason(tmp_path, start, reason) -> None:
    async with server(tmp_path, start, lambda _: b""):
        assert reason in (await set_password(str(tmp_path / "s"), "postgres", "hunter2", 1) or "")


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_failed_query_is_the_reason(tmp_path) -> None:
    error = message(b"E", b"SERROR\0Mread-only\0\0")
    async with server(tmp_path, READY, lambda query: message(b"D") if query[0] == "s" else error):
        reason = await set_password(str(tmp_path / "s"), "postgres", "hunter2", 1)

    assert reason == "cannot set the password: read-only"
