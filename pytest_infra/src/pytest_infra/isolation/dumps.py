"""What is in a unit, written for people to read: so much as a person reads, and no longer than they wait.

Source: PostgreSQL documentation, "pg_dump"; Valkey documentation, "Commands"; NATS documentation,
"JetStream wire API Reference"; SQLite documentation, "Uniform Resource Identifiers".
"""

from __future__ import annotations

import base64
import contextlib
import json
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra_runtime.errors import InfraError
from pytest_infra.isolation.wire import NatsLine, RespLine, WireError

#: of a dump of a database, and seconds for it
BYTES, SECONDS = 5_000_000, 5.0
#: of keys, of the elements of each, of the messages of a stream, of the records of a collection
KEYS, ELEMENTS, MESSAGES, RECORDS = 1000, 100, 20, 100
#: of a value
CHARACTERS = 2000
#: type → what counts its elements, or its bytes
LENGTH = {
    "string": "STRLEN",
    "list": "LLEN",
    "zset": "ZCARD",
    "set": "SCARD",
    "hash": "HLEN",
    "stream": "XLEN",
}
#: columns of PocketBase's accounts that open doors
SECRET = frozenset({"password", "tokenKey"})


class DumpError(InfraError):
    """A unit could not be read to its end."""


def database(url: str, program: str, path: Path) -> None:
    """What was committed, as SQL. A table that somebody has locked is waited for one second."""
    command = [program, "--no-owner", "--no-privileges", "--lock-wait-timeout=1s", f"--dbname={url}"]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    watch = threading.Timer(SECONDS, process.kill)
    watch.start()
    size = 0
    with process, path.open("wb") as file:
        assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018 - both are pipes
        while size < BYTES and (block := process.stdout.read(65536)):
            size += file.write(block)
        cut = size >= BYTES
        if cut:
            process.kill()
            file.write(f"\n-- cut after {size} bytes\n".encode())
        said = process.stderr.read().decode(errors="replace").strip()
    watch.cancel()
    if process.returncode != 0 and not cut:
        raise DumpError(f"pg_dump: {said or f'not ready within {SECONDS:g} s'}")


# --- Valkey ----------------------------------------------------------------------------------------


def keys(line: RespLine, number: int, prefix: str, path: Path) -> None:
    """Type, seconds to live, length and first elements of each key."""
    line.call("SELECT", str(number))
    names = sorted(_scanned(line, prefix))
    found = {_readable(name): _key(line, name) for name in names[:KEYS]}
    _write(path, {"keys": len(names), "shown": found})


def _scanned(line: RespLine, prefix: str) -> set[str]:
    found: set[str] = set()
    cursor = "0"
    while len(found) < 10 * KEYS:
        cursor, some = line.call("SCAN", cursor, "MATCH", f"{prefix}*", "COUNT", "1000")
        found.update(some)
        if cursor == "0":
            break
    return found


def _key(line: RespLine, name: str) -> dict[str, Any]:
    kind, left = line.call("TYPE", name), line.call("PTTL", name)
    length = line.call(LENGTH[kind], name) if kind in LENGTH else None
    last = str(ELEMENTS - 1)
    match kind:
        case "string":
            value = line.call("GETRANGE", name, "0", str(CHARACTERS - 1))
        case "list":
            value = line.call("LRANGE", name, "0", last)
        case "zset":
            value = line.call("ZRANGE", name, "0", last, "WITHSCORES")
        case "set":
            value = sorted(line.call("SSCAN", name, "0", "COUNT", str(ELEMENTS))[1])[:ELEMENTS]
        case "hash":
            flat = line.call("HSCAN", name, "0", "COUNT", str(ELEMENTS))[1]
            value = dict(zip(flat[::2][:ELEMENTS], flat[1::2], strict=False))
        case "stream":
            value = line.call("XRANGE", name, "-", "+", "COUNT", str(ELEMENTS))
        case _:
            value = None
    ttl = left / 1000 if left >= 0 else None
    return {"type": kind, "ttl": ttl, "length": length, "value": value}


# --- NATS ------------------------------------------------------------------------------------------


def streams(line: NatsLine, path: Path) -> None:
    """Each stream of an account: its configuration and state, its consumers, its last messages."""
    found = line.request("$JS.API.STREAM.LIST")["streams"] or []
    _write(path, [{**_stream(line, it), "messages": list(_messages(line, it))} for it in found])


def _stream(line: NatsLine, told: dict[str, Any]) -> dict[str, Any]:
    name = told["config"]["name"]
    consumers = line.request(f"$JS.API.CONSUMER.LIST.{name}")["consumers"] or []
    return {"config": told["config"], "state": told["state"], "consumers": consumers}


def _messages(line: NatsLine, told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    state = told["state"]
    number = max(state["first_seq"], state["last_seq"] - MESSAGES + 1)
    while number <= state["last_seq"]:
        wanted = json.dumps({"seq": number, "next_by_subj": ">"}).encode()
        try:
            answer = line.request(f"$JS.API.STREAM.MSG.GET.{told['config']['name']}", wanted)
        except WireError:  # no more of them: the last ones were deleted
            return
        message = answer["message"]
        data = base64.b64decode(message.get("data", ""))
        head = base64.b64decode(message.get("hdrs", "")).decode(errors="replace")
        yield {
            "seq": message["seq"],
            "subject": message["subject"],
            "time": message["time"],
            "headers": head.split("\r\n")[1:-2],
            "bytes": len(data),
            "data": data[:CHARACTERS].decode(errors="backslashreplace"),
        }
        number = message["seq"] + 1


# --- PocketBase ------------------------------------------------------------------------------------


def collections(folder: Path, path: Path) -> None:
    """The collections that are not PocketBase's own, with their fields and first records."""
    place = f"{(folder / 'pb_data' / 'data.db').as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(place, uri=True, timeout=1)) as connection:
        rows = connection.execute(
            "select name, type, fields from _collections where system = 0 order by name"
        )
        _write(path, [_collection(connection, *row) for row in rows.fetchall()])


def _collection(connection: sqlite3.Connection, name: str, kind: str, fields: str) -> dict[str, Any]:
    table = '"' + name.replace('"', '""') + '"'
    (count,) = connection.execute(f"select count(*) from {table}").fetchone()  # noqa: S608 - a quoted name
    rows = connection.execute(f"select * from {table} limit ?", [RECORDS])  # noqa: S608 - a quoted name
    names = [it[0] for it in rows.description]
    records = [
        {key: "***" if key in SECRET else value for key, value in zip(names, row, strict=True)}
        for row in rows
    ]
    shape = {field["name"]: field["type"] for field in json.loads(fields)}
    return {"name": name, "type": kind, "fields": shape, "count": count, "records": records}


# --- for people ------------------------------------------------------------------------------------


def _write(path: Path, found: object) -> None:
    path.write_text(json.dumps(_bounded(found), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _bounded(value: object) -> object:
    """No text is longer than a person reads, and none has bytes that are no text."""
    match value:
        case dict():
            return {str(key): _bounded(it) for key, it in value.items()}
        case list():
            return [_bounded(it) for it in value]
        case bytes():
            return f"{len(value)} bytes"
        case str():
            return _readable(value)
        case _:
            return value


def _readable(text: str) -> str:
    whole = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return whole if len(whole) <= CHARACTERS else f"{whole[:CHARACTERS]}… ({len(whole)} characters)"
