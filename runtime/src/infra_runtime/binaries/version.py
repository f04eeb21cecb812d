"""The major version of an executable, told without running it where its place tells it already."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

from infra_runtime.cache import cache_folder, write_atomically

# /usr/lib/postgresql/15/bin, /usr/pgsql-16/bin, …/Cellar/postgresql@17/17.2/bin
_IN_PATH = re.compile(r"/(?:postgresql|pgsql)[@/-](\d+)(?=[/.])")
_IN_ANSWER = re.compile(r"(\d+)(?:\.\d+)*")


@functools.lru_cache(maxsize=64)
def major_version(path: Path) -> int | None:
    """The first number of the version; None for a program that does not tell."""
    real = path.resolve()
    if match := _IN_PATH.search(str(real)):
        return int(match[1])
    return _from_wheel(real) or _asked(real)


def _from_wheel(path: Path) -> int | None:
    """The version in the name of the `.dist-info` beside the package that holds `path`."""
    for parent in path.parents:
        if parent.parent.name in ("site-packages", "dist-packages"):
            for info in parent.parent.glob(f"{parent.name}-*.dist-info"):
                if match := _IN_ANSWER.match(info.name.removeprefix(f"{parent.name}-")):
                    return int(match[1])
    return None


def _asked(path: Path) -> int | None:
    """What `--version` says; asked once for each state of the file."""
    state = path.stat()
    key = f"{path}:{state.st_mtime_ns}:{state.st_size}"
    folder = cache_folder()
    memory = folder / "versions.json" if folder else None
    known = _read(memory) if memory else {}
    if key not in known:
        known[key] = _answer(path)
        if memory:
            write_atomically(memory, json.dumps(known))
    return known[key]


def _answer(path: Path) -> int | None:
    import subprocess  # seldom needed: the place mostly tells

    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _IN_ANSWER.search(answer)
    return int(match[1]) if match else None


def _read(memory: Path) -> dict[str, int | None]:
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
