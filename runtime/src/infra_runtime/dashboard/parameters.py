"""Parameters of requests that several pages have."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from infra_runtime.logs.selection import moment


class ParameterError(ValueError):
    """The error that a parameter of a request is not valid."""


def time_of(name: str, text: str, default: float) -> float:
    """Return the Unix time of a parameter; `default` for an empty text. Raises `ParameterError`."""
    if not text:
        return default
    try:
        return moment(text)
    except (ValueError, OverflowError, OSError):
        raise ParameterError(
            f"`{name}` must be a duration before now (`15m`), a time of day or a date and time, "
            f"not {text[:80]!r}"
        ) from None


def selected(query: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that are not empty; `since` and `until` become Unix seconds.

    Raises `ParameterError` for a time that is not valid.
    """
    chosen = {name: text for name, text in query.items() if text}
    times = (name for name in ("since", "until") if name in chosen)
    return {**chosen, **{name: f"{max(time_of(name, chosen[name], 0.0), 0.0):.3f}" for name in times}}


def count_of(text: str, default: int, most: int) -> int:
    """Return the number of a parameter `limit`; `default` for an empty text. Raises `ParameterError`."""
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= most):
        raise ParameterError(f"the limit must be a number from 1 to {most}, not {text[:80]!r}")
    return int(text)


def iso(seconds: float) -> str:
    """Return a Unix time as a text that `time_of` reads; empty for a time that is out of range."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return ""
