"""The copy of a seed from the user's cache, which is checked and complete when it gets its final name."""

from __future__ import annotations

import contextlib
import os

from infra_runtime.data_directory import seed_cache
from infra_runtime.host import disk, file_copy, file_lock


def copy(tree: str, into: str) -> str:
    """Copy a seed to the folder `into`; return an empty string, or why the seed cannot be used.

    A seed that is being built is not copied. After the copy, the seed is compared with its stamp. The files
    of a copy that fails are removed. Raises `OSError`.
    """
    if (lock := file_lock.acquire(f"{tree}.lock", shared=True)) is None:
        return f"{tree} is locked"
    try:
        staged = file_copy.stage(into)
        try:
            file_copy.copy(tree, staged)
            if not (problem := seed_cache.damage(tree)):
                file_copy.publish(staged, into)
                seed_cache.mark_used(tree)
        finally:
            with contextlib.suppress(OSError):
                disk.remove(os.path.dirname(staged))
    finally:
        os.close(lock)
    return problem
