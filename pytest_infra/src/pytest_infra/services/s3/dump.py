"""Write the objects in a test's bucket to the failure report, as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_infra.isolation.connection import CommandError
from pytest_infra.isolation.readable import CHARACTERS, write_json
from pytest_infra.isolation.unit import Unit
from pytest_infra.services.s3.protocol import Object, Storage

#: For each bucket, the maximum number of versions of objects that are listed, and of those whose first bytes
#: are written.
OBJECTS, CONTENTS = 1000, 100


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write key, size and first bytes of the objects in a unit to a file; return a list with the file."""
    path = folder / f"{unit.id}.json"
    storage = Storage(unit, unit["access_key"], unit["secret_key"])
    # The keys of a server without users for tests are valid for the buckets of all tests.
    has_own_keys = "accounts_key" in unit or unit.get("accounts") == "unlimited"
    names = storage.buckets() if has_own_keys else [unit["bucket"]]
    buckets = {name: _objects(storage, name) for name in names}
    write_json(path, {"buckets": buckets})
    return [path]


def _objects(storage: Storage, bucket: str) -> list[dict[str, Any]]:
    versions = next(storage.versions(bucket))[:OBJECTS]
    return [_description(storage, bucket, version, number) for number, version in enumerate(versions)]


def _description(storage: Storage, bucket: str, version: Object, number: int) -> dict[str, Any]:
    description: dict[str, Any] = {
        "key": version.key,
        "version": version.version,
        "size": version.size,
        "modified": version.modified,
    }
    if version.size and number < CONTENTS:
        try:
            content = storage.read(bucket, version, CHARACTERS)
        except CommandError as error:
            description["content"] = f"({error})"
        else:
            description["content"] = content.decode("utf-8", "backslashreplace")
    return description
