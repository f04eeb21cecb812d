"""The alerts that an Alertmanager sends to the telemetry service: read requests, and return rows as JSON.

Source: Alertmanager documentation, "Configuration", `webhook_config`. The fingerprint of an alert is the same
in all requests; the start of an alert changes when the alert fires again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from infra_runtime.telemetry.limits import LARGEST_INTEGER, Limits

#: the largest size of a request in bytes
REQUEST_BYTES = 4 * 2**20
_STATUSES = ("firing", "resolved")

SCHEMA = """
CREATE TABLE IF NOT EXISTS alert (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, fingerprint TEXT, start INTEGER, end INTEGER, status TEXT,
    name TEXT, service TEXT, severity TEXT, labels TEXT, annotations TEXT, arrival INTEGER,
    UNIQUE (fingerprint, start)
);
"""
#: An alert that arrives again gets a new number, so that a query with `after` returns it again.
REPLACE = "INSERT OR REPLACE INTO alert VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
DELETE_OLDEST = (
    "DELETE FROM alert WHERE seq <= (SELECT seq FROM alert ORDER BY seq DESC LIMIT 1 OFFSET {limit:d})"
)


class AlertsError(ValueError):
    """A request does not contain alerts."""


class StoredAlert(NamedTuple):
    """A row of the table `alert`; times are nanoseconds since the epoch, `end` is 0 while the alert fires."""

    fingerprint: str
    start: int
    end: int
    status: str
    name: str
    service: str
    severity: str
    labels: str
    annotations: str
    arrival: int


def read(body: bytes, limits: Limits, arrival: int) -> list[StoredAlert]:
    """Return the alerts in a webhook request. Raises `AlertsError` if the body is not such a request."""
    try:
        message = json.loads(body)
        return [_alert(alert, limits, arrival) for alert in message["alerts"]]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise AlertsError(f"the body is not a webhook request of Alertmanager: {error!r}") from error


def _alert(alert: Mapping[str, Any], limits: Limits, arrival: int) -> StoredAlert:
    labels, annotations = (_texts(alert[key], limits) for key in ("labels", "annotations"))
    if alert["status"] not in _STATUSES:
        raise ValueError(f"unknown status {alert['status']!r}")
    return StoredAlert(
        fingerprint=_text(alert["fingerprint"], limits.key_length),
        start=_nanoseconds(alert["startsAt"]),
        end=_nanoseconds(alert["endsAt"]) if alert["status"] == "resolved" else 0,
        status=alert["status"],
        name=labels.get("alertname", ""),
        service=labels.get("service", ""),
        severity=labels.get("severity", ""),
        labels=json.dumps(labels, ensure_ascii=False),
        annotations=json.dumps(annotations, ensure_ascii=False),
        arrival=arrival,
    )


def _texts(pairs: Mapping[str, Any], limits: Limits) -> dict[str, str]:
    limited_pairs = [*pairs.items()][: limits.attributes]
    return {_text(key, limits.key_length): _text(value, limits.value_length) for key, value in limited_pairs}


def _text(value: object, length: int) -> str:
    """Return a value as a string without lone surrogates, which JSON can contain, but SQLite cannot store."""
    return str(value)[:length].encode("utf-8", "replace").decode()


def _nanoseconds(text: str) -> int:
    time = datetime.fromisoformat(text)
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return min(max(round(time.timestamp() * 1e9), 0), LARGEST_INTEGER)


def shown(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of the table `alert` as JSON data."""
    return [
        {
            **{key: value for key, value in row.items() if key != "arrival"},
            "labels": json.loads(row["labels"]),
            "annotations": json.loads(row["annotations"]),
        }
        for row in rows
    ]
