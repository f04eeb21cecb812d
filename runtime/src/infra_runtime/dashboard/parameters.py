"""Parameters of requests that several pages have."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from infra_runtime.logs.selection import moment

#: the time at the beginning of the name of a run of telemetry
_RUN_OF_TELEMETRY = re.compile(r"\d{8}T\d{6}(?=-\d{9})")


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


def run_at(text: str, starts: Sequence[float]) -> tuple[float, float]:
    """Return the start of the run with the time in a parameter `run`, and the start of the next run.

    `starts` are the starts of the runs, the newest first. Without a next run, its start is infinite, and an
    empty text selects all runs. The name of a run of telemetry is also a time. Raises `ParameterError`.
    """
    if not text:
        return 0.0, math.inf
    # Source: `telemetry.store`, which names a run by the local time at which it begins
    named = _RUN_OF_TELEMETRY.match(text)
    # A name has whole seconds, and `iso` milliseconds: the time can be this much before the start.
    time = time_of("run", named[0] if named else text, 0.0) + (1.0 if named else 0.001)
    ended = math.inf
    for began in starts:
        if began <= time:
            return began, ended
        ended = began
    raise ParameterError(f"the journal contains no start of the stack before the time {text[:80]!r}")


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
