"""Resolutions of before, in the user's cache: the same files and variables mean the same plan.

Only what the stack file and the catalogue say is written down, never a value that came from a variable,
an argument or the configuration service: a stack that has one is resolved anew each time.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from infra_runtime.binaries import Binary, BinarySearch, search
from infra_runtime.cache import cache_folder, write_atomically
from infra_runtime.config.layers import Origin
from infra_runtime.config.request import Request, Resolved, variables
from infra_runtime.plan import Plan

#: the newest that stay; each is some 20 kB
KEPT = 50
_PACKAGE = Path(__file__).parents[1]
_VALUES = ("INFRA_SERVICES", "INFRA_PROFILES", "INFRA_CONFIG_SERVICE")


def recall(request: Request, *, executables: bool) -> Resolved | None:
    """The resolution that was remembered, when every executable is still the same."""
    path = _path(request, executables=executables)
    if path is None:
        return None
    try:
        data = json.loads(path.read_bytes())
        sought = [_sought(it) for it in data["sought"]]
        plan = Plan.from_json(data["plan"])
        provenance = {key: Origin(**it) for key, it in data["provenance"].items()}
        identities, files = data["identities"], data["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if sought != [search(it.binary, it.setting, name=it.name) for it in sought] or identities != _identities(
        sought
    ):
        return None
    if files != _states(files):
        return None
    return _resolved(request, plan, tuple(sought), provenance)


def remember(request: Request, found: Resolved, *, executables: bool, files: Iterable[Path] = ()) -> None:
    """Write a resolution down, if it may be. It is valid until one of `files` changes."""
    path = _path(request, executables=executables)
    if path is None or found.provenance["config_service"].value != "null":
        return
    data = {
        "plan": found.plan.to_json(),
        "sought": [asdict(it) for it in found.sought],
        "identities": _identities(found.sought),
        "files": _states(map(str, files)),
        "provenance": {key: asdict(it) for key, it in found.provenance.items()},
    }
    write_atomically(path, json.dumps(data))
    _forget(path.parent)


def _resolved(
    request: Request, plan: Plan, sought: tuple[BinarySearch, ...], provenance: dict[str, Origin]
) -> Resolved:
    return Resolved(
        plan=plan,
        data=request.data,
        binaries={it.name: it.path for it in sought if it.path},
        environment=request.environment,
        variables=variables(plan, request),
        stack_file=request.file.path if request.file else None,
        provenance=provenance,
        sought=sought,
    )


def _path(request: Request, *, executables: bool) -> Path | None:
    """Where this request's resolution would be; None when it must not be written down."""
    folder = cache_folder()
    dotenv = _bytes(request.root / ".env")
    dotenv = dotenv if b"INFRA_" in dotenv else b""
    ours = {name: value for name, value in os.environ.items() if name.upper().startswith("INFRA_")}
    told = " ".join(ours).upper() + dotenv.decode("utf-8", "replace").upper()
    if folder is None or request.overrides or any(value in told for value in _VALUES):
        return None
    file = request.file
    overlay = file.path.with_name(f"infra.{request.environment}.toml") if file else None
    parts = [
        *(request.environment, request.environment_source, str(request.data), request.data_source),
        *(str(request.root), str(file.path) if file else "", file.text if file else ""),
        _bytes(overlay).decode("utf-8", "replace") if overlay else "",
        *(
            sys.prefix,
            sys.version,
            os.environ.get("PYTHONPATH", ""),
            str(executables),
            request.profile or "",
            dotenv.decode("utf-8", "replace"),
        ),
    ]
    text = json.dumps([parts, request.names, request.skip, sorted(ours.items()), list(_code())])
    return folder / "plans" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _code() -> Iterator[tuple[str, int, int]]:
    """The state of the code that makes plans: it may be edited in place."""
    for folder in (_PACKAGE, *(_PACKAGE / name for name in ("config", "services", "binaries", "spec"))):
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if entry.name.endswith(".py"):
                state = entry.stat()
                yield entry.name, state.st_mtime_ns, state.st_size


def _sought(data: dict[str, Any]) -> BinarySearch:
    return BinarySearch(**{**data, "binary": _binary(data["binary"])})


def _binary(data: dict[str, Any]) -> Binary:
    beside = _binary(data["beside"]) if data["beside"] else None
    lists = {name: tuple(data[name]) for name in ("aliases", "folders")}
    return Binary(
        **{**data, **lists, "beside": beside, "wheel": tuple(data["wheel"]) if data["wheel"] else None}
    )


def _identities(sought: tuple[BinarySearch, ...] | list[BinarySearch]) -> list[list[int]]:
    states = [Path(it.path).stat() for it in sought if it.path]
    return [[state.st_mtime_ns, state.st_size] for state in states]


def _states(files: Iterable[str]) -> dict[str, list[int] | None]:
    """File → time of its last change and size; None for a missing one."""
    states: dict[str, list[int] | None] = {}
    for file in files:
        try:
            state = Path(file).stat()
        except OSError:
            states[file] = None
        else:
            states[file] = [state.st_mtime_ns, state.st_size]
    return states


def _forget(folder: Path) -> None:
    """Leave the newest; what another process takes away meanwhile is away."""
    try:
        found = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in found[KEPT:]:
            path.unlink(missing_ok=True)
    except OSError:
        return
