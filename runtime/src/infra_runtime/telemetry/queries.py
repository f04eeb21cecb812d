"""The queries of the telemetry service: convert the parameters of requests to SQL, and rows to JSON data."""

# ruff: noqa: S608 - the statements consist of constants of this module

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from infra_runtime.telemetry import SPAN_KINDS, SPAN_STATUSES, alerts, errors
from infra_runtime.telemetry.store import INTERRUPTION, Store, run_name

#: the default and the largest number of rows in an answer
LIMIT, LARGEST_LIMIT = 200, 10_000

#: the largest number of characters of a searched text; the search for a longer text can take minutes
LONGEST_TEXT = 1_000

#: level → the smallest severity number of this level. Source: opentelemetry/proto/logs/v1/logs.proto
LEVELS: Mapping[str, int] = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}


class QueryError(ValueError):
    """A parameter of a request has an invalid value."""


class Filter(NamedTuple):
    """A parameter of a list request: the condition in SQL, and the function that converts its value."""

    condition: str
    convert: Any = str


def _id(text: str) -> bytes:
    return bytes.fromhex(text)


def _nanoseconds(text: str) -> int:
    return _stored(int(float(text) * 1e9))


def _period(text: str) -> int:
    if (period := _nanoseconds(text)) <= 0:
        raise ValueError("the period is not positive")
    return period


def _stored(number: int) -> int:
    if abs(number) >= 2**63:
        raise ValueError("the number has more than 64 bits")
    return number


def _sequence(text: str) -> int:
    return _stored(int(text))


def _level(text: str) -> int:
    return LEVELS[text.lower()]


def _contains(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"the text has more than {LONGEST_TEXT} characters")
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


_COMMON = {
    "service": Filter("resource.service = ?"),
    "after": Filter("seq > ?", _sequence),
}
#: table → parameter → filter
FILTERS: Mapping[str, Mapping[str, Filter]] = {
    "span": {
        **_COMMON,
        "name": Filter("name = ?"),
        "trace": Filter("trace = ?", _id),
        "id": Filter("span.id = ?", _id),
        "since": Filter("end >= ?", _nanoseconds),
        "until": Filter("start <= ?", _nanoseconds),
        "longer": Filter("end - start >= ?", _nanoseconds),
        "status": Filter("status = ?", SPAN_STATUSES.index),
        "kind": Filter("kind = ?", SPAN_KINDS.index),
        "text": Filter(
            "name || ' ' || message || ' ' || span.attributes || ' ' || events LIKE ? ESCAPE '\\'", _contains
        ),
    },
    "log": {
        **_COMMON,
        "trace": Filter("trace = ?", _id),
        "span": Filter("span = ?", _id),
        "since": Filter("time >= ?", _nanoseconds),
        "until": Filter("time <= ?", _nanoseconds),
        "level": Filter("severity >= ?", _level),
        "text": Filter("body || ' ' || log.attributes LIKE ? ESCAPE '\\'", _contains),
    },
    "point": {
        **_COMMON,
        "name": Filter("name = ?"),
        "since": Filter("time >= ?", _nanoseconds),
        "until": Filter("time <= ?", _nanoseconds),
    },
    "alert": {
        "after": _COMMON["after"],
        **{name: Filter(f"{name} = ?") for name in ("service", "name", "severity", "status")},
        "since": Filter("(status = 'firing' OR end >= ?)", _nanoseconds),
        "until": Filter("start <= ?", _nanoseconds),
    },
    "error": {
        **{name: Filter(f"{name} = ?") for name in ("service", "type", "fingerprint")},
        "since": Filter("last >= ?", _nanoseconds),
        "until": Filter("first <= ?", _nanoseconds),
        "text": Filter("type || ' ' || message || ' ' || frame LIKE ? ESCAPE '\\'", _contains),
    },
}

#: the parameter `step` of points, in seconds: the answer contains only the last point of each series in each
#: period of this length
_STEP = Filter("", _period)
#: A change (delta) is never left out, because the sum of the changes would be wrong. SQLite takes the other
#: columns of a group from the row with the maximum. Source: SQLite documentation, "Bare columns in an
#: aggregate query".
_THINNING = "GROUP BY point.resource, name, point.attributes, CASE delta WHEN 1 THEN seq ELSE time / ? END"


def rows(store: Store, table: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the newest rows of a table that match the parameters as JSON data, the oldest row first.

    The object has the keys `items`, `last` (pass it as `after` to get only newer rows), `dropped` (rows that
    were deleted because of the limits) and `more` (whether older rows match, too). Raises `QueryError`.
    """
    where, values, limit = _selection(table, parameters)
    latest, thinning = "", ""
    if step := parameters.get("step"):
        values.append(_converted("step", _STEP, step))
        latest, thinning = ", max(seq) AS latest", _THINNING
    query = (
        f"SELECT {table}.*, resource.service, resource.attributes AS resource_attributes{latest} "
        f"FROM {table} JOIN resource ON resource.id = {table}.resource {where} {thinning} "
        "ORDER BY seq DESC LIMIT ?"
    )
    run = parameters.get("run", "")
    rows = _read(store, query, [*values, limit + 1], run)
    dropped = _read(store, "SELECT count FROM dropped WHERE name = ?", [table], run)
    items = [SHOWN[table](row) for row in reversed(rows[:limit])]
    return {
        "items": items,
        "last": rows[0]["seq"] if rows else int(parameters.get("after") or 0),
        "more": len(rows) > limit,
        "dropped": dropped[0]["count"] if dropped else 0,
    }


def stored_alerts(store: Store, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the alerts that match the parameters; the alert that has arrived most recently is last.

    The object has the keys `items`, `last` (pass it as `after` to get only later arrivals) and `more`.
    """
    where, values, limit = _selection("alert", parameters)
    query = f"SELECT * FROM alert {where} ORDER BY seq DESC LIMIT ?"
    rows = _read(store, query, [*values, limit + 1], parameters.get("run", ""))
    return {
        "items": alerts.shown(reversed(rows[:limit])),
        "last": rows[0]["seq"] if rows else int(parameters.get("after") or 0),
        "more": len(rows) > limit,
    }


def error_groups(store: Store, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the groups of equal errors that match the parameters, the newest first."""
    where, values, limit = _selection("error", parameters)
    query = f"SELECT * FROM error {where} ORDER BY last DESC LIMIT ?"
    rows = _read(store, query, [*values, limit + 1], parameters.get("run", ""))
    return {"items": errors.shown(rows[:limit]), "more": len(rows) > limit}


def _selection(table: str, parameters: Mapping[str, str]) -> tuple[str, list[Any], int]:
    """Return the condition in SQL, its values and the limit for the parameters. Raises `QueryError`."""
    filters = FILTERS[table]
    other_names = {"limit", "run", "wait", *(["step"] if table == "point" else [])}
    unknown_names = parameters.keys() - filters.keys() - other_names
    if unknown_names:
        raise QueryError(
            f"unknown parameters: {', '.join(sorted(unknown_names))}; known: {', '.join(filters)}"
        )
    limit = _number("limit", parameters.get("limit", str(LIMIT)), LARGEST_LIMIT)
    filter_texts = {name: text for name, text in parameters.items() if name in filters}
    conditions = [filters[name].condition for name in filter_texts]
    values = [_converted(name, filters[name], text) for name, text in filter_texts.items()]
    return f"WHERE {' AND '.join(conditions)}" if conditions else "", values, limit


def traces(store: Store, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return summaries of the newest traces with a span that matches the parameters."""
    matching_spans = rows(store, "span", {**parameters, "limit": str(LARGEST_LIMIT)})
    limit = _number("limit", parameters.get("limit", str(LIMIT)), LARGEST_LIMIT)
    ids = list(dict.fromkeys(span["trace"] for span in reversed(matching_spans["items"])))
    run = parameters.get("run", "")
    summaries = [_summary(trace(store, name, run)) for name in ids[:limit]]
    return {**matching_spans, "items": summaries, "more": len(ids) > limit or matching_spans["more"]}


def trace(store: Store, name: str, run: str = "") -> dict[str, Any]:
    """Return the spans and at most 10,000 log records of a trace, in the order of their times.

    `full` is whether the trace has as many spans as the limit allows, so that further spans are rejected.
    """
    parameters = {"trace": name, "limit": str(LARGEST_LIMIT), "run": run}
    spans = rows(store, "span", parameters)["items"]
    logs = rows(store, "log", parameters)["items"]
    return {
        "trace": name,
        "full": len(spans) >= store.limits.trace_spans,
        "spans": sorted(spans, key=lambda span: (span["start"], -span["end"])),
        "logs": sorted(logs, key=lambda log: log["time"]),
    }


def _summary(trace: dict[str, Any]) -> dict[str, Any]:
    spans = trace["spans"]
    ids = {span["id"] for span in spans}
    root = next((span for span in spans if span["parent"] not in ids), spans[0])
    start, end = min(span["start"] for span in spans), max(span["end"] for span in spans)
    return {
        "trace": trace["trace"],
        "name": root["name"],
        "service": root["service"],
        "services": sorted({span["service"] for span in spans}),
        "start": start,
        "end": end,
        "spans": len(spans),
        "logs": len(trace["logs"]),
        "errors": sum(span["status"] == "error" for span in spans),
    }


def metrics(store: Store, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the name, the type and the unit of each metric, with its services and its number of points."""
    names = _read(
        store,
        "SELECT name, type, unit, group_concat(DISTINCT resource.service) AS services, count(*) AS points "
        "FROM point JOIN resource ON resource.id = point.resource GROUP BY name, type, unit ORDER BY name",
        [],
        parameters.get("run", ""),
    )
    return {"items": [{**row, "services": sorted(row["services"].split(","))} for row in names]}


def state(store: Store) -> dict[str, Any]:
    """Return the numbers of stored, dropped and rejected records, the state of the store, and its runs."""
    counts = {
        f"{table}s": store.read(f"SELECT count(*) AS count FROM {table}")[0]["count"]
        for table in ("span", "log", "point")
    }
    dropped = {row["name"]: row["count"] for row in store.read("SELECT * FROM dropped")}
    interruptions = dropped.pop(INTERRUPTION, 0)
    return {
        "records": counts,
        "dropped": {f"{name}s": count for name, count in dropped.items()},
        "rejected": store.rejected,
        "interruptions": interruptions,
        "queued_bytes": store.queued_bytes,
        "problem": store.problem,
        "run": run_name(store.path),
        "runs": [run_name(path) for path in store.runs()],
    }


# --- rows to JSON ----------------------------------------------------------------------------------


def _span(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **_shared(row),
        "trace": row["trace"].hex(),
        "id": row["id"].hex(),
        "parent": row["parent"].hex(),
        "name": row["name"],
        "kind": _named(SPAN_KINDS, row["kind"]),
        "start": row["start"],
        "end": row["end"],
        "status": _named(SPAN_STATUSES, row["status"]),
        "message": row["message"],
        "events": json.loads(row["events"]),
        "links": json.loads(row["links"]),
    }


def _log(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **_shared(row),
        "time": row["time"],
        "severity": row["severity"],
        "level": row["level"] or _level_name(row["severity"]),
        "body": row["body"],
        "event": row["event"],
        "trace": row["trace"].hex(),
        "span": row["span"].hex(),
    }


def _point(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **_shared(row),
        "name": row["name"],
        "type": row["type"],
        "unit": row["unit"],
        "delta": bool(row["delta"]),
        "start": row["start"],
        "time": row["time"],
        "value": row["value"],
        **json.loads(row["data"]),
    }


SHOWN: Mapping[str, Any] = {"span": _span, "log": _log, "point": _point}


def _shared(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "seq": row["seq"],
        "service": row["service"],
        "scope": row.get("scope", ""),
        "attributes": json.loads(row["attributes"]),
        "resource": json.loads(row["resource_attributes"]),
    }


def _named(names: tuple[str, ...], number: int) -> str:
    return names[number] if 0 <= number < len(names) else str(number)


def _level_name(severity: int) -> str:
    return next((name for name, number in reversed([*LEVELS.items()]) if severity >= number), "")


def _read(store: Store, query: str, values: Iterable[Any], run: str) -> list[dict[str, Any]]:
    try:
        return store.read(query, [*values], run=run)
    except FileNotFoundError:
        raise QueryError(f"the run {run!r} does not exist; `GET /api/v1/state` returns the names") from None


def _converted(name: str, parameter_filter: Filter, text: str) -> Any:
    try:
        return parameter_filter.convert(text)
    except (ValueError, KeyError, OverflowError):
        raise QueryError(f"the parameter {name} has the value {text[:80]!r}, which is not valid") from None


def _number(name: str, text: str, largest: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19 and 1 <= int(text) <= largest):
        raise QueryError(f"the parameter {name} must be a number from 1 to {largest}, not {text[:80]!r}")
    return int(text)
