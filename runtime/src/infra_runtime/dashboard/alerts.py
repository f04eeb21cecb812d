"""The alerts and the groups of equal errors that the stack's telemetry service has stored."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from infra_runtime.dashboard import telemetry
from infra_runtime.dashboard.parameters import time_of
from infra_runtime.messages import Endpoints
from infra_runtime.value import frozen

#: alerts, and groups of errors, that a page shows at most
MOST = 200
#: the parameters of a request; the query API has the same parameters
PARAMETERS = ("status", "severity", "service", "since", "run")
#: those that also select groups of errors
_ERROR_PARAMETERS = ("service", "since", "run")
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
    #: the description or summary in the annotations of the alert; may be empty
    summary: str
    #: the labels except name, service and severity
    labels: Mapping[str, str]


@frozen
class ErrorGroup:
    """Equal errors, with the latest message and the latest trace. Times are Unix seconds."""

    fingerprint: str
    service: str
    #: the type of the exception; empty for a log record without an exception
    type: str
    message: str
    #: file and function that raised the exception
    frame: str
    count: int
    first: float
    last: float
    #: empty if no error of the group has a trace
    trace: str


@frozen
class Problems:
    """The newest alerts (firing alerts come first), and the latest groups of errors."""

    alerts: tuple[Alert, ...] = ()
    errors: tuple[ErrorGroup, ...] = ()
    #: whether older ones exist
    has_more: bool = False


async def read(endpoints: Endpoints, query: Mapping[str, str]) -> Problems:
    """Return what the telemetry service has stored; `query` has the keys `PARAMETERS`.

    Raises `TelemetryError` if the service is missing or does not answer, and `ParameterError` for a time
    that is not valid.
    """
    chosen = {name: text for name, text in query.items() if text} | {"limit": str(MOST)}
    if since := query.get("since"):
        chosen["since"] = f"{max(time_of('since', since, 0.0), 0.0):.3f}"
    selected = {name: chosen[name] for name in (*_ERROR_PARAMETERS, "limit") if name in chosen}
    alerts, errors = await asyncio.gather(
        telemetry.ask(endpoints, "alerts", chosen), telemetry.ask(endpoints, "errors", selected)
    )
    return Problems(
        alerts=tuple(sorted(map(_alert, alerts["items"]), key=_order)),
        errors=tuple(map(_error, errors["items"])),
        has_more=alerts["more"] or errors["more"],
    )


def _order(alert: Alert) -> tuple[bool, float]:
    return alert.status != "firing", -alert.start


def _alert(item: Mapping[str, Any]) -> Alert:
    annotations, labels = item["annotations"], item["labels"]
    return Alert(
        name=item["name"],
        service=item["service"],
        severity=item["severity"],
        status=item["status"],
        start=item["start"] / 1e9,
        end=item["end"] / 1e9,
        summary=annotations.get("summary") or annotations.get("description", ""),
        labels={
            key: value for key, value in labels.items() if key not in {"alertname", "service", "severity"}
        },
    )


def _error(item: Mapping[str, Any]) -> ErrorGroup:
    return ErrorGroup(
        fingerprint=item["fingerprint"],
        service=item["service"],
        type=item["type"],
        message=item["message"],
        frame=item["frame"],
        count=item["count"],
        first=item["first"] / 1e9,
        last=item["last"] / 1e9,
        trace=item["trace"],
    )
