"""Copy a seed from the user's cache.

The copy is renamed to its final name when it is complete, and a check has found no damage of the seed.
"""

from __future__ import annotations

import contextlib
import os

from infra_runtime.data_directory import seed_cache
from infra_runtime.host import disk, file_copy, file_lock


def copy(tree: str, target: str) -> str:
    """Copy a seed to the folder `target`; return an empty text, or the reason why the seed cannot be used.

    A seed that is being built is not copied. After the copy, the seed is compared with its stamp. If the copy
    fails, its files are removed. Raises `OSError` if a file cannot be copied.
    """
    if (lock := file_lock.acquire(f"{tree}.lock", shared=True)) is None:
        return f"{tree} is locked"
    try:
        staged = file_copy.stage(target)
        try:
            file_copy.copy(tree, staged)
            if not (problem := seed_cache.damage(tree)):
                file_copy.publish(staged, target)
                seed_cache.mark_used(tree)
        finally:
            with contextlib.suppress(OSError):
                disk.remove(os.path.dirname(staged))
    finally:
        os.close(lock)
    return problem
