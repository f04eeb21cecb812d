"""The levels of `x-stability-level`: how much compatibility an operation or schema guarantees."""

from __future__ import annotations

from typing import Any

_LEVELS = {"draft": 0, "alpha": 1, "beta": 2, "stable": 3}
#: The level without `x-stability-level`.
STABLE = "stable"


def level(value: Any) -> str:
    """Return the level in lower case; the default is stable, and unknown levels are not changed."""
    return value.strip().lower() if isinstance(value, str) and value.strip() else STABLE


def change(before: str, after: str) -> str:
    """Return `decreased`, `increased` or `invalid`; an empty string if the level did not change."""
    if before == after:
        return ""
    if after not in _LEVELS:
        return "invalid"
    return "decreased" if _LEVELS[after] < _LEVELS.get(before, -1) else "increased"
