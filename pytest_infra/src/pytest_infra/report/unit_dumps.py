"""What a failed test had of the services: told, dumped into its capsule, and left in place if so wished."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from pytest_infra.isolation.unit import Unit

FILE, FOLDER = "units.json", "dumps"
#: dumps take some tenths of a second: where everything fails, the first tests tell enough
MOST = 50


class Belongings:
    """The units of failed tests, of this process."""

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self._dumped = 0

    def save(self, units: Iterable[Unit], capsule: Path, answering: Collection[str]) -> dict[str, str]:
        """Write what the units are and have. Returns for each where its dump is, or why there is none.

        `answering`: the services that can be asked.
        """
        described: list[dict[str, Any]] = []
        dumps: dict[str, str] = {}
        self._dumped += 1
        for unit in units:
            unit.keep = unit.keep or (self._keep and unit.keepable)
            # Whoever keeps a unit wants to reach it.
            described.append(
                {**unit.describe(), "kept": unit.keep} | ({"exports": dict(unit)} if unit.keep else {})
            )
            if unit.name not in answering:
                dumps[unit.id] = f"no dump: {unit.name} does not answer"
            elif self._dumped > MOST:
                dumps[unit.id] = f"no dump: {MOST} tests of this process have some"
            else:
                dumps |= _dumped(unit, capsule)
        if described:
            _write_for_us(capsule / FILE, json.dumps({"units": described}, indent=2))
        return dumps


def _dumped(unit: Unit, capsule: Path) -> dict[str, str]:
    folder = capsule / FOLDER / unit.name
    folder.mkdir(parents=True, exist_ok=True)
    try:
        files = unit.dump(folder)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the test has failed of something else
        return {unit.id: f"no dump: {error}"}
    return {unit.id: ", ".join(str(file.relative_to(capsule)) for file in files)} if files else {}


def _write_for_us(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")


def kept(test: str, units: Iterable[Unit], capsule: Path) -> list[str]:
    """How a person reaches what stays of a test's; nothing when nothing does."""
    places = [f"kept for {test}: {unit.name} {unit.id}: {reach(unit)}" for unit in units if unit.keep]
    return [*places, f"passwords are in {capsule / FILE}"] if places else []


def reach(unit: Unit) -> str:
    """A URL of the unit without a secret: one that needs none, or one with stars."""
    urls = [urlsplit(unit[key]) for key in ("socket_url", "url") if key in unit]
    for url in urls:
        if url.password is None:
            return urlunsplit(url)
    return urlunsplit(urls[-1]).replace(f":{urls[-1].password}@", ":***@", 1) if urls else ""
