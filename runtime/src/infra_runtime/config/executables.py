"""Search for the executables of a plan, in the paths of the settings `binary` and elsewhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from infra_runtime.binaries import Binary, BinarySearch, locate, search
from infra_runtime.catalogue import Entry
from infra_runtime.config.declaration import Declaration
from infra_runtime.errors import BinaryMissingError
from infra_runtime.plan import Plan
from infra_runtime.services.image_service import ENGINE
from infra_runtime.spec import ServiceSpec, map_texts, rename

#: the variable with the name or the path of the container engine
ENGINE_VARIABLE = "INFRA_CONTAINER_ENGINE"


def binary_setting(declaration: Declaration, service: str) -> str | None:
    """Return the setting `binary` of a service as an absolute path; None if it is not set."""
    setting = declaration.table(service).get("binary")
    if not isinstance(setting, str):
        return None
    return str(declaration.request.root / Path(setting).expanduser())


def with_own_executables(spec: ServiceSpec, entry: Entry, declaration: Declaration) -> ServiceSpec:
    """Return a spec that refers to the service's own executables as `${bin.NAME@SERVICE}`.

    A service has its own executables if a setting that determines the executables, such as `binary`, differs
    from the setting of the service with the name of the kind. The other services of the kind refer to
    `${bin.NAME}`.
    """
    if not _has_own_executables(spec.name, entry, declaration):
        return spec
    renamed = {f"bin.{binary.name}": f"bin.{binary.name}@{spec.name}" for binary in entry.binaries}
    changed: ServiceSpec = map_texts(spec, lambda text: rename(text, lambda name: renamed.get(name, name)))
    return changed


def _has_own_executables(service: str, entry: Entry, declaration: Declaration) -> bool:
    kind = entry.name
    if service == kind:
        return False
    is_shared = declaration.kind(kind) == kind
    executables_of_kind = entry.executables(declaration.table(kind) if is_shared else {})
    setting = binary_setting(declaration, kind) if is_shared else None
    settings_of_service = (
        binary_setting(declaration, service),
        entry.executables(declaration.table(service)),
    )
    return settings_of_service != (setting, executables_of_kind)


def sought(declaration: Declaration, plan: Plan, entries: Mapping[str, Entry]) -> tuple[BinarySearch, ...]:
    """Search for the executables to which a plan refers, and for optional executables; return the results.

    `entries` contains the catalogue's entries of the plan's kinds. Raises `BinaryMissingError` if an
    executable to which the plan refers is missing.
    """
    available: dict[str, tuple[Binary, str | None]] = {ENGINE.name: chosen_engine()}
    for spec in plan.services:
        if spec.kind:
            entry, setting = entries[spec.kind], binary_setting(declaration, spec.name)
            suffix = f"@{spec.name}" if _has_own_executables(spec.name, entry, declaration) else ""
            binaries = entry.executables(declaration.table(spec.name))
            available |= {f"{binary.name}{suffix}": (binary, setting) for binary in binaries}
    required = plan.binaries()
    optional = {name for name, (binary, _) in available.items() if binary.optional}
    results = []
    for name in sorted(required | optional):
        binary, setting = available.get(name, (Binary(name=name), None))
        results.append(search(binary, setting, name=name, project=declaration.request.root))
        if name in required and not results[-1].path:
            try:
                locate(binary, setting=setting, project=declaration.request.root)
            except BinaryMissingError as error:
                if name == ENGINE.name:
                    raise _engine_missing(plan, error) from None
                _add_own_recipe(error, binary, declaration)
                raise
    return tuple(results)


def chosen_engine() -> tuple[Binary, str | None]:
    """Return the container engine to search for: podman or docker, or the engine in INFRA_CONTAINER_ENGINE.

    If this variable contains a path instead of a name, the second value is this path; otherwise, it is None.
    """
    choice = os.environ.get(ENGINE_VARIABLE, "")
    if "/" in choice:
        return ENGINE, choice
    return (replace(ENGINE, aliases=(choice,)) if choice else ENGINE), None


def _engine_missing(plan: Plan, error: BinaryMissingError) -> BinaryMissingError:
    names = ", ".join(spec.name for spec in plan.services if spec.image)
    missing = BinaryMissingError("podman or docker", "", error.searched, error.problem)
    missing.hint = (
        f"A container engine runs the image of {names}: install podman (`apt-get install podman`) or "
        f"Docker, or set {ENGINE_VARIABLE} to the path of podman or docker."
    )
    return missing


def _add_own_recipe(error: BinaryMissingError, binary: Binary, declaration: Declaration) -> None:
    """Append the command that installs an executable to the hint, if the stack file has a recipe for it."""
    from infra_runtime.binaries import recipes  # imported here because only the error needs the modules
    from infra_runtime.config import declared_recipes

    declared = declared_recipes.declared(declaration.request.file)
    recipe = recipes.providing(error.binary, declared, major=binary.major, features=binary.features)
    command = f"`infra bin install {recipe.name}`" if recipe else ""
    if command not in error.hint:
        error.hint = f"{error.hint.removesuffix('.')}, or run {command}."
