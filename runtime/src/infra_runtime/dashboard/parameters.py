"""The parameters of requests that several pages have in common."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from infra_runtime.logs.selection import moment

#: the pattern of the time at the beginning of a run name of the telemetry service
_RUN_OF_TELEMETRY = re.compile(r"\d{8}T\d{6}(?=-\d{9})")


class ParameterError(ValueError):
    """A parameter of a request is not valid."""


def time_of(name: str, text: str, default: float) -> float:
    """Return the time in a parameter as Unix seconds; `default` if it is empty. Raises `ParameterError`."""
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
    """Return the parameters that are not empty; `since` and `until` are converted to Unix seconds.

    Raises `ParameterError` for a time that is not valid.
    """
    parameters = {name: text for name, text in query.items() if text}
    times = (name for name in ("since", "until") if name in parameters)
    return {**parameters, **{name: f"{max(time_of(name, parameters[name], 0.0), 0.0):.3f}" for name in times}}


def run_at(text: str, starts: Sequence[float]) -> tuple[float, float]:
    """Return the start of the run that contains a time, and the start of the next run, in Unix seconds.

    `text` is the parameter `run`: a time, a run name of the telemetry service, or an empty string for all
    runs (the result is 0 and infinity). `starts` contains the starts of the runs, the newest first. For the
    newest run, the start of the next run is infinite. Raises `ParameterError`.
    """
    if not text:
        return 0.0, math.inf
    # Source: `telemetry.store`; the name of a run begins with its start in local time
    run_name = _RUN_OF_TELEMETRY.match(text)
    # A run name has a resolution of one second, and `iso` of one millisecond. Therefore, the time can be up
    # to this number of seconds before the start of the run.
    time = time_of("run", run_name[0] if run_name else text, 0.0) + (1.0 if run_name else 0.001)
    ended = math.inf
    for start in starts:
        if start <= time:
            return start, ended
        ended = start
    raise ParameterError(f"the journal contains no start of the stack before the time {text[:80]!r}")


def count_of(text: str, default: int, maximum: int) -> int:
    """Return the number in the parameter `limit`; `default` if it is empty. Raises `ParameterError`."""
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= maximum):
        raise ParameterError(f"the limit must be a number from 1 to {maximum}, not {text[:80]!r}")
    return int(text)


def iso(seconds: float) -> str:
    """Return a Unix time as a string for `time_of`; empty if the time is out of range."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return ""
