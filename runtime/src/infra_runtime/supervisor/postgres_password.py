"""Set the password of a PostgreSQL role through the server's Unix socket, which requires no password.

All stacks of a user copy the same PostgreSQL cluster, in which the role has no password. Until the probe sets
the password, logins over TCP fail.

Sources: PostgreSQL documentation, "Message Flow" and "Message Formats"; "CREATE ROLE" for the text that the
server stores; RFC 5802, section 3, and RFC 7677 for the keys in this text.
"""

from __future__ import annotations

import asyncio
import binascii
import contextlib
import hashlib
import hmac
import os
import struct

PROTOCOL_3 = 196608  # Source: PostgreSQL documentation, "Message Formats", StartupMessage


async def set_password(path: str, user: str, password: str, iterations: int) -> str | None:
    """Set the password of a database role that has no password; return None, or the reason of a failure.

    `path` is the server's Unix socket. The password itself is not sent, only keys that are derived from it.

    Raises `OSError` or `asyncio.IncompleteReadError` when the server closes the connection.
    """
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        body = b"user\0%b\0database\0postgres\0\0" % user.encode()
        writer.write(struct.pack("!ii", len(body) + 8, PROTOCOL_3) + body)
        name = user.replace("'", "''")
        query = f"select 1 from pg_authid where rolname = '{name}' and rolpassword is null"  # noqa: S608
        if (reason := await _until_ready(reader)) is not None:
            return reason
        rows, reason = await _query(reader, writer, query)
        if reason is None and rows:
            role = user.replace('"', '""')
            verifier = stored_form(password, os.urandom(16), iterations)
            _, reason = await _query(reader, writer, f"alter role \"{role}\" password '{verifier}'")
        writer.write(b"X\0\0\0\4")
        return reason
    finally:
        writer.close()
        with contextlib.suppress(OSError):  # the server may have closed the connection first
            await writer.wait_closed()


def stored_form(password: str, salt: bytes, iterations: int) -> str:
    """Return the text that the server stores for an ASCII password with SCRAM-SHA-256: salt and keys."""
    salted = _salted(password.encode("ascii"), salt, iterations)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", hashlib.sha256)).digest()
    server_key = hmac.digest(salted, b"Server Key", hashlib.sha256)
    coded = [binascii.b2a_base64(part, newline=False).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${iterations}:{coded[0]}${coded[1]}:{coded[2]}"


def _salted(password: bytes, salt: bytes, iterations: int) -> bytes:
    """Return the hash of a password: the first block of PBKDF2 with HMAC-SHA-256 (RFC 8018, section 5.2).

    `hashlib.pbkdf2_hmac` needs OpenSSL, which the supervisor does not import.
    """
    key = hmac.new(password, digestmod=hashlib.sha256)

    def digest(message: bytes) -> bytes:
        keyed = key.copy()
        keyed.update(message)
        return keyed.digest()

    block = digest(salt + b"\0\0\0\1")
    total = int.from_bytes(block, "big")
    for _ in range(iterations - 1):
        block = digest(block)
        total ^= int.from_bytes(block, "big")
    return total.to_bytes(len(block), "big")


async def _query(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, query: str
) -> tuple[int, str | None]:
    """Run an SQL query on an open connection; return the number of rows, and the error message or None."""
    text = query.encode() + b"\0"
    writer.write(b"Q" + struct.pack("!i", len(text) + 4) + text)
    rows, reason = 0, None
    while True:
        kind, body = await _message(reader)
        if kind == b"Z":
            return rows, reason
        rows += kind == b"D"
        if kind == b"E":
            reason = _error(body)


async def _until_ready(reader: asyncio.StreamReader) -> str | None:
    while True:
        kind, body = await _message(reader)
        if kind == b"Z":
            return None
        if kind == b"E":
            return _error(body)
        if kind == b"R" and body != b"\0\0\0\0":
            return (
                "the server's socket requires a password: add the line `local all all trust` to pg_hba.conf"
            )


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    kind, length = struct.unpack("!ci", await reader.readexactly(5))
    return kind, await reader.readexactly(length - 4)


def _error(body: bytes) -> str:
    fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
    return f"cannot set the password: {fields.get(b'M', 'unknown error')}"
