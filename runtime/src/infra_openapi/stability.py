"""The levels of `x-stability-level`: how much is promised of an operation or a schema."""

from __future__ import annotations

from typing import Any

_LEVELS = {"draft": 0, "alpha": 1, "beta": 2, "stable": 3}
#: The level where none is given.
STABLE = "stable"


def level(value: Any) -> str:
    """The level as it is compared; any other text stays what it is."""
    return value.strip().lower() if isinstance(value, str) and value.strip() else STABLE


def change(before: str, after: str) -> str:
    """How the second level differs from the first: `decreased`, `increased`, `invalid`, or not at all."""
    if before == after:
        return ""
    if after not in _LEVELS:
        return "invalid"
    return "decreased" if _LEVELS[after] < _LEVELS.get(before, -1) else "increased"
