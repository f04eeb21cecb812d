"""The alerts and the groups of equal errors that the stack's telemetry service has stored."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from infra_runtime.dashboard import telemetry
from infra_runtime.dashboard.parameters import selected
from infra_runtime.messages import Endpoints
from infra_runtime.value import frozen

#: the largest number of alerts on a page, and of groups of errors
MOST = 200
#: the largest number of alerts that the telemetry service keeps
STORED = 10_000
#: the parameters of a request; the query API has the same parameters, except `text` for alerts
PARAMETERS = ("status", "severity", "service", "since", "run", "text")
#: the parameters that also select groups of errors
_ERROR_PARAMETERS = ("text", "service", "since", "run")
STATUSES = ("firing", "resolved")


@frozen
class Alert:
    """An alert of Alertmanager. Times are Unix seconds."""

    name: str
    service: str
    severity: str
    #: `firing` or `resolved`
    status: str
    start: float
    #: 0 while the alert fires
    end: float
    #: the summary in the annotations of the alert, or else the description; may be empty
    summary: str
    #: the other labels, without name, service and severity
    labels: Mapping[str, str]


@frozen
class ErrorGroup:
    """A group of equal errors, with the newest message and the newest trace. Times are Unix seconds."""

    fingerprint: str
    service: str
    #: the type of the exception; empty for an error without an exception
    type: str
    message: str
    #: the file and the function that raised the exception
    frame: str
    count: int
    first: float
    last: float
    #: empty if no error of the group has a trace
    trace: str


@frozen
class Problems:
    """The newest alerts (firing alerts come first), and the newest groups of errors."""

    alerts: tuple[Alert, ...] = ()
    errors: tuple[ErrorGroup, ...] = ()
    #: whether older alerts or older groups of errors exist
    has_more: bool = False


async def read(endpoints: Endpoints, query: Mapping[str, str]) -> Problems:
    """Return the stored alerts and groups of errors that match `query`, with the keys `PARAMETERS`.

    Raises `TelemetryError` if the telemetry service is missing or does not answer, and `ParameterError` for a
    time that is not valid.
    """
    (alerts, has_more_alerts), (errors, has_more_errors) = await asyncio.gather(
        stored(endpoints, query), groups(endpoints, query)
    )
    return Problems(alerts=tuple(alerts), errors=tuple(errors), has_more=has_more_alerts or has_more_errors)


async def stored(
    endpoints: Endpoints, query: Mapping[str, str], count: int = MOST
) -> tuple[list[Alert], bool]:
    """Return at most `count` alerts that match a query, firing alerts first, and whether more match."""
    parameters = {name: text for name, text in selected(query).items() if name != "text"}
    lower_text = query.get("text", "").lower()
    answer = await telemetry.ask(
        endpoints, "alerts", {**parameters, "limit": str(STORED if lower_text else count)}
    )
    matching_alerts = sorted(
        (alert for alert in map(_alert, answer["items"]) if lower_text in _text(alert)), key=_order
    )
    return matching_alerts[:count], answer["more"] or len(matching_alerts) > count


async def groups(
    endpoints: Endpoints, query: Mapping[str, str], count: int = MOST
) -> tuple[list[ErrorGroup], bool]:
    """Return the newest groups of errors that match a query, and whether more groups match."""
    parameters = {name: text for name, text in selected(query).items() if name in _ERROR_PARAMETERS}
    answer = await telemetry.ask(endpoints, "errors", {**parameters, "limit": str(count)})
    return [*map(_error, answer["items"])], answer["more"]


def _text(alert: Alert) -> str:
    """Return the texts of an alert that the filter `text` searches, as one string in lower case."""
    labels = (f"{name}={value}" for name, value in alert.labels.items())
    return " ".join((alert.name, alert.service, alert.severity, alert.summary, *labels)).lower()


def _order(alert: Alert) -> tuple[bool, float]:
    return alert.status != "firing", -alert.start


def _alert(row: Mapping[str, Any]) -> Alert:
    annotations, labels = row["annotations"], row["labels"]
    return Alert(
        name=row["name"],
        service=row["service"],
        severity=row["severity"],
        status=row["status"],
        start=row["start"] / 1e9,
        end=row["end"] / 1e9,
        summary=annotations.get("summary") or annotations.get("description", ""),
        labels={
            key: value for key, value in labels.items() if key not in {"alertname", "service", "severity"}
        },
    )


def _error(row: Mapping[str, Any]) -> ErrorGroup:
    return ErrorGroup(
        fingerprint=row["fingerprint"],
        service=row["service"],
        type=row["type"],
        message=row["message"],
        frame=row["frame"],
        count=row["count"],
        first=row["first"] / 1e9,
        last=row["last"] / 1e9,
        trace=row["trace"],
    )
