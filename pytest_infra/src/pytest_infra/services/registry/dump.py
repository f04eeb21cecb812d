"""Write the images of a test to the failure report: tags, digests, manifests, and short texts, as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_infra.isolation.readable import CHARACTERS, write_json
from pytest_infra.isolation.unit import Unit
from pytest_infra.services.registry import protocol


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the images of a unit to a file, and return a list with the file."""
    path = folder / f"{unit.id}.json"
    prefix = f"{unit['prefix']}/" if unit.get("prefix") else ""
    images = {
        name: {tag: _image(unit, name, digest) for tag, digest in protocol.tags(unit, name).items()}
        for name in protocol.repositories(unit, prefix)
    }
    write_json(path, images)
    return [path]


def _image(unit: Unit, repository: str, digest: str) -> dict[str, Any]:
    manifest = protocol.manifest(unit, repository, digest)
    blobs = [manifest.get("config") or {}, *(manifest.get("layers") or [])]
    texts = {
        blob["digest"]: protocol.blob(unit, repository, blob["digest"]).decode("utf-8", "surrogateescape")
        for blob in blobs
        if blob.get("size", CHARACTERS) < CHARACTERS
    }
    return {"digest": digest, "manifest": manifest, "texts": texts}
