"""The executables of a plan: which setting names them, and where they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from infra_runtime.binaries import Binary, Sought, locate, seek
from infra_runtime.catalogue import Entry
from infra_runtime.config.declaration import Declaration
from infra_runtime.plan import Plan


def binary_setting(declaration: Declaration, service: str) -> str | None:
    """The setting `binary` of a service as a path; a relative one starts at the stack file's folder."""
    setting = declaration.table(service).get("binary")
    if not isinstance(setting, str):
        return None
    return str(declaration.request.root / Path(setting).expanduser())


def sought(declaration: Declaration, plan: Plan, entries: Mapping[str, Entry]) -> tuple[Sought, ...]:
    """Every executable that the plan names, and those that are optional for its services.

    `entries` are the catalogue's entries of the plan's services by name; a user's service has none.

    Raises `BinaryMissingError` for one that the plan names and that is missing.
    """
    known: dict[str, tuple[Binary, str | None]] = {}
    for spec in plan.services:
        if spec.name in entries:
            setting = binary_setting(declaration, spec.name)
            known |= {binary.name: (binary, setting) for binary in entries[spec.name].binaries}
    named = plan.binaries()
    useful = {name for name, (binary, _) in known.items() if binary.optional}
    found = tuple(seek(*known.get(name, (Binary(name=name), None))) for name in sorted(named | useful))
    for each in found:
        if each.binary.name in named and not each.path:
            locate(each.binary, setting=each.setting)
    return found
