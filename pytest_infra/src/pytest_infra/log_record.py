"""Parse a line of a log that is a JSON object: its level, time, message, ids, and other fields."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

#: the names of levels in logs, in lower case → level
_LEVELS: Mapping[str, str] = {
    **dict.fromkeys(("trace", "debug"), "debug"),
    **dict.fromkeys(("info", "information", "notice"), "info"),
    **dict.fromkeys(("warn", "warning"), "warning"),
    **dict.fromkeys(("err", "error"), "error"),
    **dict.fromkeys(("critical", "fatal", "panic", "emergency", "alert"), "critical"),
}
#: the numbers of pino. Source: pino's documentation, "Level"
_NUMBERS = {10: "debug", 20: "debug", 30: "info", 40: "warning", 50: "error", 60: "critical"}
#: the keys of each part; the first key that is present counts
_LEVEL_KEYS = ("level", "severity", "levelname", "lvl", "log.level")
_TIME_KEYS = ("timestamp", "time", "ts", "@timestamp")
_MESSAGE_KEYS = ("event", "msg", "message", "body")
_ID_KEYS = ("correlation_id", "correlationId", "request_id", "requestId", "trace_id", "traceId")


class Record(NamedTuple):
    """The parts of a line; those that the line does not have are empty."""

    #: debug | info | warning | error | critical
    level: str
    #: seconds since the epoch
    time: float | None
    message: str
    #: the ids by which lines of several services belong together, the correlation id first
    ids: tuple[str, ...]
    #: the other fields
    fields: Mapping[str, Any]


def parse(text: str) -> Record:
    """Return the parts of a line; a line that is not a JSON object consists of a message only."""
    fields = _object(text) if text.startswith("{") else None
    if fields is None:
        return Record(level="", time=None, message=text, ids=(), fields={})
    level, moment = _taken(fields, _LEVEL_KEYS), _taken(fields, _TIME_KEYS)
    message = _taken(fields, _MESSAGE_KEYS)
    return Record(
        level=_LEVELS.get(level.lower(), "") if isinstance(level, str) else _numbered(level),
        time=_moment(moment),
        message=message if isinstance(message, str) else "" if message is None else json.dumps(message),
        ids=tuple(str(fields[key]) for key in _ID_KEYS if fields.get(key)),
        fields=fields,
    )


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _taken(fields: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((fields.pop(key) for key in keys if key in fields), None)


def _numbered(level: Any) -> str:
    return _NUMBERS.get(level, "") if isinstance(level, int) else ""


def _moment(value: Any) -> float | None:
    """Return the Unix time of an ISO 8601 text, or of a number of seconds, milli-, micro- or nanoseconds."""
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value).timestamp()
        except (ValueError, OverflowError):
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    limits = ((1e11, 1), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
    return next((value / unit for limit, unit in limits if 0 < value < limit), None)
