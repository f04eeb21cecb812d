"""The levels of the extension `x-stability-level`, which state how stable an operation or schema is.

A level with a lower stability guarantees less compatibility to clients.
"""

from __future__ import annotations

from typing import Any

_LEVELS = {"draft": 0, "alpha": 1, "beta": 2, "stable": 3}
#: The level of an operation or schema that has no `x-stability-level`.
STABLE = "stable"


def level(value: Any) -> str:
    """Return a value of `x-stability-level` in lower case, or `stable` if it is not a string or is blank.

    An unknown level is returned unchanged, apart from the lower case and the spaces around it.
    """
    return value.strip().lower() if isinstance(value, str) and value.strip() else STABLE


def change(before: str, after: str) -> str:
    """Return `decreased` or `increased` if a stability level has changed, otherwise an empty string.

    The result is `invalid` if the level `after` is unknown, and `increased` if only `before` is unknown.
    """
    if before == after:
        return ""
    if after not in _LEVELS:
        return "invalid"
    return "decreased" if _LEVELS[after] < _LEVELS.get(before, -1) else "increased"
