"""The user's cache: what can be made again at any time."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from infra_runtime.data_directory.paths import user_cache


def cache_folder() -> Path | None:
    """The kit's folder in the user's cache; None where there is no home."""
    found = user_cache()
    return Path(found) if found else None


def write_atomically(path: Path, text: str) -> None:
    """Put `text` there, readable by its owner alone, or leave it be: a cache is no reason to fail."""
    temporary = ""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(path)
    except OSError:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
