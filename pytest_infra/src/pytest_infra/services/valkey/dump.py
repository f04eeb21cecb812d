"""Write the keys of a test's unit in Valkey or Redis to the failure report, as JSON.

For each key, the file contains type, seconds to live, length and first elements.

Source: Valkey documentation, "Commands".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_infra.isolation.readable import CHARACTERS, readable, write_json
from pytest_infra.isolation.unit import Unit
from pytest_infra.services.valkey.isolation import Keys
from pytest_infra.services.valkey.protocol import RespConnection

#: The maximum number of keys that are dumped (about ten times as many are counted), and of elements of each
#: key.
KEYS, ELEMENTS = 1000, 100
#: type → the command that returns the number of elements or bytes of a key
LENGTH = {
    "string": "STRLEN",
    "list": "LLEN",
    "zset": "ZCARD",
    "set": "SCARD",
    "hash": "HLEN",
    "stream": "XLEN",
}


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the keys of a unit with their values to a file, and return a list with the file."""
    path = folder / f"{unit.id}.json"
    prefix = unit.prefix if isinstance(unit, Keys) else ""
    password = unit.server_password if isinstance(unit, Keys) else unit.get("password", "")
    with RespConnection(unit, password) as connection:
        connection.call("SELECT", unit["database"])
        names = sorted(_scanned(connection, prefix))
        visible_keys = {readable(name): _key(connection, name) for name in names[:KEYS]}
    write_json(path, {"keys": len(names), "shown": visible_keys})
    return [path]


def _scanned(connection: RespConnection, prefix: str) -> set[str]:
    names: set[str] = set()
    cursor = "0"
    while len(names) < 10 * KEYS:
        cursor, page = connection.call("SCAN", cursor, "MATCH", f"{prefix}*", "COUNT", "1000")
        names.update(page)
        if cursor == "0":
            break
    return names


def _key(connection: RespConnection, name: str) -> dict[str, Any]:
    kind, milliseconds = connection.call("TYPE", name), connection.call("PTTL", name)
    length = connection.call(LENGTH[kind], name) if kind in LENGTH else None
    last_index = str(ELEMENTS - 1)
    match kind:
        case "string":
            value = connection.call("GETRANGE", name, "0", str(CHARACTERS - 1))
        case "list":
            value = connection.call("LRANGE", name, "0", last_index)
        case "zset":
            value = connection.call("ZRANGE", name, "0", last_index, "WITHSCORES")
        case "set":
            value = sorted(connection.call("SSCAN", name, "0", "COUNT", str(ELEMENTS))[1])[:ELEMENTS]
        case "hash":
            flat = connection.call("HSCAN", name, "0", "COUNT", str(ELEMENTS))[1]
            value = dict(zip(flat[::2][:ELEMENTS], flat[1::2], strict=False))
        case "stream":
            value = connection.call("XRANGE", name, "-", "+", "COUNT", str(ELEMENTS))
        case _:
            value = None
    ttl = milliseconds / 1000 if milliseconds >= 0 else None
    return {"type": kind, "ttl": ttl, "length": length, "value": value}
