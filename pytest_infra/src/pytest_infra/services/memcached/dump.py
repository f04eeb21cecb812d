"""Write the items of a test's key prefix to the failure report, as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_infra.isolation.readable import CHARACTERS, readable, write_json
from pytest_infra.isolation.unit import Unit
from pytest_infra.services.memcached.protocol import MemcachedConnection

#: The maximum number of items that are dumped.
ITEMS = 1000


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the items of a unit to a file, and return a list with the file."""
    path = folder / f"{unit.id}.json"
    with MemcachedConnection(unit) as connection:
        keys = connection.keys(unit.get("prefix", "").encode())
        visible_items = {_text(key): _item(connection, key) for key in keys[:ITEMS]}
    write_json(path, {"keys": len(keys), "shown": visible_items})
    return [path]


def _item(connection: MemcachedConnection, key: bytes) -> dict[str, Any] | None:
    item = connection.item(key)
    if item is None:
        return None
    ttl = item.seconds if item.seconds >= 0 else None
    value = item.value[: 4 * CHARACTERS]
    return {"bytes": len(item.value), "flags": item.flags, "ttl": ttl, "value": _text(value)}


def _text(data: bytes) -> str:
    return readable(data.decode("utf-8", "surrogateescape"))
