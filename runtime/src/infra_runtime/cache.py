"""The folder of pytest-infra in the user's cache, for files that can be created again at any time."""

from __future__ import annotations

import os
from pathlib import Path

from infra_runtime.data_directory.paths import user_cache


def cache_folder() -> Path | None:
    """Return the folder of pytest-infra in the user's cache; None if `user_cache` returns no folder."""
    folder = user_cache()
    return Path(folder) if folder else None


def write_atomically(path: Path, text: str) -> None:
    """Replace a file in the cache by a file with this text; only the owner can read the file.

    The file is never incomplete. An `OSError` is ignored, because the cache is not required.
    """
    import tempfile  # imported here because the import is slow, and a plan from the cache writes no file

    temporary = ""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(path)
    except OSError:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
