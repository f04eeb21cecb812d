"""The plan cache: resolved plans in the user's cache, which are valid until a file or a variable changes.

Values of arguments, of the configuration service, and of variables `INFRA_SERVICES…` and `INFRA_PROFILES…`
can be secrets; a stack with such values is therefore resolved each time. The values of variables to which a
plan refers are not in the cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from infra_runtime.binaries import Binary, BinarySearch, search
from infra_runtime.cache import cache_folder, write_atomically
from infra_runtime.config.layers import Origin
from infra_runtime.config.request import Request, Resolved, make_resolved
from infra_runtime.plan import Plan

#: the greatest number of files in the cache, each of about 20 kB; the oldest files are removed
FILE_LIMIT = 50
_PACKAGE = Path(__file__).parents[1]
_VALUES = ("INFRA_SERVICES", "INFRA_PROFILES", "INFRA_CONFIG_SERVICE")


def load(request: Request, *, executables: bool) -> Resolved | None:
    """Return the plan for a stack file and its settings, with the paths of the executables, from the cache.

    Return None if the cache does not contain the plan, or if an executable or a file of the plan has changed.
    """
    path = _path(request, executables=executables)
    if path is None:
        return None
    try:
        data = json.loads(path.read_bytes())
        cached_searches = [_sought(executable) for executable in data["sought"]]
        plan = Plan.from_json(data["plan"])
        provenance = {key: Origin(**origin) for key, origin in data["provenance"].items()}
        identities, files, tmpfs = data["identities"], data["files"], data["tmpfs"]
        remarks = tuple(data["remarks"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    present_searches = [
        search(executable.binary, executable.setting, name=executable.name, project=request.root)
        for executable in cached_searches
    ]
    if cached_searches != present_searches or identities != _identities(cached_searches):
        return None
    if files != _states(files):
        return None
    return make_resolved(request, plan, cached_searches, provenance, tmpfs=tmpfs, remarks=remarks)


def store(
    request: Request,
    resolved: Resolved,
    programs: Sequence[BinarySearch],
    *,
    executables: bool,
    files: Iterable[Path] = (),
) -> None:
    """Write the resolved plan of a request to the cache, unless it depends on values that must not be cached.

    The cached plan is valid until one of `files` or an executable changes. `programs` contains the results of
    the searches for executables.
    """
    path = _path(request, executables=executables)
    if path is None or resolved.provenance["config_service"].value != "null":
        return
    data = {
        "plan": resolved.plan.to_json(),
        "tmpfs": resolved.tmpfs,
        "remarks": resolved.remarks,
        "sought": [asdict(executable) for executable in programs],
        "identities": _identities(programs),
        "files": _states(map(str, files)),
        "provenance": {key: asdict(origin) for key, origin in resolved.provenance.items()},
    }
    write_atomically(path, json.dumps(data))
    _remove_old_files(path.parent)


def _path(request: Request, *, executables: bool) -> Path | None:
    """Return the path of the cache file for a request; None if the resolved plan must not be cached."""
    folder = cache_folder()
    dotenv = _bytes(request.root / ".env")
    dotenv = dotenv if b"INFRA_" in dotenv.upper() else b""
    set_variables = {name: value for name, value in os.environ.items() if name.upper().startswith("INFRA_")}
    names = " ".join(set_variables).upper() + dotenv.decode("utf-8", "replace").upper()
    if folder is None or request.overrides or any(value in names for value in _VALUES):
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
            str([*_library_times()]),
            os.environ.get("PYTHONPATH", ""),
            str(executables),
            request.profile or "",
            str(request.variables_required),
            dotenv.decode("utf-8", "replace"),
        ),
    ]
    text = json.dumps([parts, request.names, request.skip, sorted(set_variables.items()), list(_code())])
    return folder / "plans" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


def _library_times() -> Iterator[int]:
    """Yield the modification time (ns) of each folder with libraries, which an installation changes.

    A library of an extra can add a service or a port to a plan.
    """
    for folder in sys.path:
        if folder.endswith("-packages"):
            with contextlib.suppress(OSError):
                yield Path(folder).stat().st_mtime_ns


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _code() -> Iterator[tuple[str, int, int]]:
    """Yield the name, modification time (ns) and size of each module whose code creates plans.

    In an editable install, these modules change without a new version of pytest-infra.
    """
    for folder in (_PACKAGE, *(_PACKAGE / name for name in ("config", "services", "binaries", "spec"))):
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if entry.name.endswith(".py"):
                state = entry.stat()
                yield entry.name, state.st_mtime_ns, state.st_size


def _sought(data: dict[str, Any]) -> BinarySearch:
    return BinarySearch(**{**data, "binary": _binary(data["binary"])})


def _binary(data: dict[str, Any]) -> Binary:
    others = {name: _binary(data[name]) if data[name] else None for name in ("beside", "instead")}
    lists = {name: tuple(data[name]) for name in ("aliases", "folders", "features", "feature_files")}
    return Binary(**{**data, **others, **lists, "wheel": tuple(data["wheel"]) if data["wheel"] else None})


def _identities(sought: Sequence[BinarySearch]) -> list[list[int]]:
    states = [Path(executable.path).stat() for executable in sought if executable.path]
    return [[state.st_mtime_ns, state.st_size] for state in states]


def _states(files: Iterable[str]) -> dict[str, list[int] | None]:
    """Return a mapping from path to a file's modification time (ns) and size.

    The value is None if the file is missing.
    """
    states: dict[str, list[int] | None] = {}
    for file in files:
        try:
            state = Path(file).stat()
        except OSError:
            states[file] = None
        else:
            states[file] = [state.st_mtime_ns, state.st_size]
    return states


def _remove_old_files(folder: Path) -> None:
    """Remove all files in the plan cache except the newest `FILE_LIMIT` files.

    Another process may remove files at the same time.
    """
    try:
        files = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in files[FILE_LIMIT:]:
            path.unlink(missing_ok=True)
    except OSError:
        return
