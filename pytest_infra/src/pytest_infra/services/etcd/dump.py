"""Write the keys of a test's prefix with their values to the failure report, as JSON."""

from __future__ import annotations

from pathlib import Path

from pytest_infra.isolation.readable import CHARACTERS, readable, write_json
from pytest_infra.isolation.unit import Unit
from pytest_infra.services.etcd import protocol

#: The maximum number of keys that are dumped.
KEYS = 1000


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the keys of a unit to a file, and return a list with the file."""
    path = folder / f"{unit.id}.json"
    count, pairs = protocol.pairs(unit, unit.get("prefix", "").encode(), KEYS)
    visible_pairs = {
        _text(pair.key): {
            "version": pair.version,
            "lease": pair.lease or None,
            "bytes": len(pair.value),
            "value": _text(pair.value[: 4 * CHARACTERS]),
        }
        for pair in pairs
    }
    write_json(path, {"keys": count, "shown": visible_pairs})
    return [path]


def _text(data: bytes) -> str:
    return readable(data.decode("utf-8", "surrogateescape"))
