"""A low limit of recursion, so that a short chain fails in a function that calls itself for each link."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def frame_limit(frames: int) -> Iterator[None]:
    """Raise `RecursionError` in calls that need more than this number of further frames."""
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + frames)
    try:
        yield
    finally:
        sys.setrecursionlimit(usual)
