"""Write the content of a failed test's units to its failure report, and keep units with `--infra-keep`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from infra_runtime.redaction import MASK, redacted
from infra_runtime.value import frozen
from pytest_infra.instances import Instances
from pytest_infra.kit import load
from pytest_infra.private_files import make_folder, protect, write
from pytest_infra.report.redaction import secrets_of

if TYPE_CHECKING:
    from pytest_infra.isolation.unit import Unit

FILE, FOLDER = "units.json", "dumps"
#: The maximum number of failed tests of a process for which dumps are written. A dump takes tenths of a
#: second, so dumps of many failed tests would take long.
MAX_TESTS = 50


@frozen
class Saved:
    """The result of `UnitDumps.save` for one failed test: its dumps, and messages for the user."""

    #: unit → the files of its dump, or the reason why it has no dump; a unit of a kind without dumps is
    #: omitted
    dumps: dict[str, str]
    #: lines for the end of the run: the URLs of kept units, and the reasons why units cannot be kept
    messages: list[str]
    #: the names of the units that are kept
    kept: tuple[str, ...]


class UnitDumps:
    """Writes descriptions and dumps of the isolation units of failed tests to failure reports."""

    def __init__(self, instances: Instances, *, keep: bool) -> None:
        self._instances, self._keep = instances, keep
        self._tests = 0

    def save(
        self,
        test: str,
        units: Collection[Unit],
        capsule: Path,
        answering: Collection[str],
        secrets: Collection[str] = (),
    ) -> Saved:
        """Write the descriptions and the contents of a failed test's units.

        `secrets` are masked in the contents, but the description of a kept unit has its passwords.
        `answering` contains the services that are ready.
        """
        descriptions: list[dict[str, Any]] = []
        dumps: dict[str, str] = {}
        self._tests += 1
        for unit in units:
            unit.keep = unit.keep or (self._keep and not unit.unkeepable)
            # The user needs the passwords of a kept unit to connect to it.
            exports = {"exports": dict(unit)} if unit.keep else {}
            descriptions.append({**unit.describe(), "kept": unit.keep} | exports)
            if unit.name not in answering:
                dumps[unit.id] = f"no dump: {unit.name} does not answer"
            elif self._tests > MAX_TESTS:
                dumps[unit.id] = f"no dump: only the first {MAX_TESTS} failed tests of a process have dumps"
            else:
                dumps |= self._dump(unit, capsule, secrets)
        if descriptions:
            write(capsule / FILE, json.dumps({"units": descriptions}, indent=2) + "\n")
        kept = tuple(unit.id for unit in units if unit.keep)
        return Saved(dumps=dumps, messages=self._messages(test, units, capsule), kept=kept)

    def _dump(self, unit: Unit, capsule: Path, secrets: Collection[str]) -> dict[str, str]:
        target = self._instances[unit.name].kit.dump
        if not target:
            return {}
        folder = capsule / FOLDER / unit.name
        make_folder(folder)
        try:
            files: list[Path] = load(target)(unit, folder)
            _redact(files, {*secrets, *secrets_of([unit], self._instances)})
        except Exception as error:  # noqa: BLE001 - a failed dump must not hide the failure of the test
            return {unit.id: redacted(f"no dump: {error}", secrets_of([unit], self._instances))}
        finally:
            protect(folder)  # the functions of other distributions may create files with any mode
        return {unit.id: ", ".join(str(file.relative_to(capsule)) for file in files)} if files else {}

    def _messages(self, test: str, units: Iterable[Unit], capsule: Path) -> list[str]:
        if not self._keep:
            return []
        kept_messages = [
            f"kept for {test}: {unit.name} {unit.id}: {self._urls(unit)}" for unit in units if unit.keep
        ]
        password_message = [f"passwords are in {capsule / FILE}"] if kept_messages else []
        unkept_messages = [
            f"not kept for {test}: {unit.name}: {unit.unkeepable}" for unit in units if unit.unkeepable
        ]
        return [*kept_messages, *password_message, *unkept_messages]

    def _urls(self, unit: Unit) -> str:
        """Return the unit's URL, and also the URL of its socket if the socket's URL contains no password."""
        urls = [urlsplit(unit[key]) for key in ("url", "socket_url") if key in unit]
        visible_urls = [url for number, url in enumerate(urls) if number == 0 or url.password is None]
        texts = [urlunsplit(url).replace(f":{url.password}@", f":{MASK}@", 1) for url in visible_urls]
        return " or ".join(redacted(text, secrets_of([unit], self._instances)) for text in texts)


def _redact(files: Iterable[Path], secrets: Collection[str]) -> None:
    for path in files:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        if (masked := redacted(text, secrets)) != text:
            write(path, masked)
