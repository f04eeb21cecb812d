"""The major version of an executable, from its path or, if the path has no version, from its output."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

from infra_runtime.cache import cache_folder, write_atomically

# /usr/lib/postgresql/15/bin, /usr/pgsql-16/bin, …/Cellar/postgresql@17/17.2/bin
_IN_PATH = re.compile(r"/(?:postgresql|pgsql)[@/-](\d+)(?=[/.])")
_NUMBER = re.compile(r"(\d+)(?:\.\d+)*")


@functools.lru_cache(maxsize=64)
def major_version(path: Path) -> int | None:
    """Return the major version of a program, such as 17; None if the version cannot be determined."""
    real = path.resolve()
    if match := _IN_PATH.search(str(real)):
        return int(match[1])
    return _from_wheel(real) or _from_program(real)


def _from_wheel(path: Path) -> int | None:
    """Return the major version of the wheel that contains `path`, from the name of a `.dist-info` folder."""
    for parent in path.parents:
        if parent.parent.name in ("site-packages", "dist-packages"):
            for info in parent.parent.glob(f"{parent.name}-*.dist-info"):
                if match := _NUMBER.match(info.name.removeprefix(f"{parent.name}-")):
                    return int(match[1])
    return None


def _from_program(path: Path) -> int | None:
    """Return the major version that `PROGRAM --version` prints; None if the output contains no version.

    The result is cached until the file of the program changes.
    """
    status = path.stat()
    key = f"{path}:{status.st_mtime_ns}:{status.st_size}"
    folder = cache_folder()
    cache = folder / "versions.json" if folder else None
    versions = _read(cache) if cache else {}
    if key not in versions:
        versions[key] = _printed_version(path)
        if cache:
            write_atomically(cache, json.dumps(versions))
    return versions[key]


def _printed_version(path: Path) -> int | None:
    import subprocess  # imported here because the path usually contains the version

    try:
        output = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _NUMBER.search(output)
    return int(match[1]) if match else None


def _read(cache: Path) -> dict[str, int | None]:
    try:
        versions = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return versions if isinstance(versions, dict) else {}
