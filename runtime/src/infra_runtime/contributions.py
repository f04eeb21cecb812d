"""Contributions: values that services offer to each other under a key, such as a route.

A kind lists the keys that it consumes, and the planner passes the contributions of other services under these
keys to the kind's function `make`. The values under the keys of `SHAPES` have a fixed type, so that any proxy
can use the route of any service. A value under another key can be any JSON data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from infra_runtime.spec import Default
from infra_runtime.value import frozen

#: the system that metrics describe, from which a consumer derives the names of the metrics. `application` has
#: the metrics of `infra_runtime.web`; the other subjects have the metrics of the exporter that is usual for
#: them. Empty: the metrics have other names
Subject: TypeAlias = Literal["", "application", "machine", "database", "cache", "broker", "messages"]

#: pydantic reads this setting when it validates values of these classes from a stack file
_FORBID_UNKNOWN_KEYS: Mapping[str, Any] = {"extra": "forbid"}


def _check_path(path: str) -> None:
    if not path.startswith("/"):
        raise ValueError(f"{path!r} should begin with /")


@frozen
class Route:
    """The contribution under the key `route`: the requests that a proxy forwards to the service."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _FORBID_UNKNOWN_KEYS

    path: str = "/*"
    host: str | None = None
    #: whether the proxy removes the path before `*` from a request's path before it forwards the request
    strip: bool = False

    def __post_init__(self) -> None:
        _check_path(self.path)


@frozen
class Metrics:
    """The contribution under the key `metrics`: the address of a service's metrics in Prometheus format."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _FORBID_UNKNOWN_KEYS

    #: the name of one of the service's ports; the planner adds the export `NAME_port` for this port. In a
    #: stack file, the key is optional: the default is the port called `http`, or the only port
    port: str = ""
    path: str = "/metrics"
    subject: Subject = ""

    def __post_init__(self) -> None:
        _check_path(self.path)


@frozen
class Alert:
    """The contribution under the key `alert`: a condition over metrics that triggers a notification."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _FORBID_UNKNOWN_KEYS

    name: str
    #: in the query language of the metrics store, such as `up{job="api"} == 0`
    expression: str
    #: seconds for which the condition must be true before the alert fires
    after: float = 0.0
    severity: str = "warning"
    summary: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.after <= 86400:
            raise ValueError("`after` must be a number of seconds from 0 to 86400")


@frozen
class Log:
    """The contribution under the key `log`: the format of the lines in the service's log."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _FORBID_UNKNOWN_KEYS

    format: Literal["text", "json", "logfmt"] = "text"


@frozen
class AlertSink:
    """The contribution under the key `alert-sink`: the service receives alerts as Alertmanager does.

    Source: Alertmanager documentation, "Sending alerts".
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _FORBID_UNKNOWN_KEYS

    #: the name of one of the service's ports; the planner adds the export `NAME_port` for this port
    port: str


@frozen
class AlertReceiver:
    """The contribution under the key `alert-receiver`: an alert sink sends its alerts to the service.

    Source: Alertmanager documentation, "Configuration", `webhook_config` and `email_config`.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _FORBID_UNKNOWN_KEYS

    protocol: Literal["webhook", "smtp"]
    #: the name of one of the service's ports; the planner adds the export `NAME_port` for this port
    port: str
    #: the path of the webhook
    path: str = "/"
    #: the name of the export whose value is the bearer token of requests to the webhook; empty: no token
    key: str = ""

    def __post_init__(self) -> None:
        _check_path(self.path)


@frozen
class TraceSink:
    """The contribution under the key `trace-sink`: the service receives spans (OTLP over HTTP, protobuf).

    The planner adds this contribution for each service whose kind has the role `trace-sink`.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _FORBID_UNKNOWN_KEYS

    #: the name of the export whose value is the base URL: the service receives spans at this URL plus
    #: `/v1/traces`
    export: str = "otlp_url"


@frozen
class Variables:
    """The contribution under the key `variables`: environment variables for the user's own services.

    A variable that the service or the supervisor's environment already sets keeps its value; of a default
    with a `separator`, the pairs with other keys are appended to the value.
    """

    #: the variables; a reference `${EXPORT}` in a value is an export of the contributing service
    defaults: tuple[Default, ...]
    #: names of variables that contain secrets
    sensitive: tuple[str, ...] = ()


#: the role of services that receive spans, and the key of their contribution
TRACE_SINK = "trace-sink"
_Shape: TypeAlias = Route | Metrics | Alert | AlertSink | AlertReceiver | TraceSink | Log | Variables
#: key → the type of the values under this key
SHAPES: Mapping[str, type[_Shape]] = {
    "variables": Variables,
    "route": Route,
    "metrics": Metrics,
    "alert": Alert,
    "alert-sink": AlertSink,
    "alert-receiver": AlertReceiver,
    TRACE_SINK: TraceSink,
    "log": Log,
}
#: If the plan contains a consumer of one of these keys, all services of the stack with a contribution under
#: the key are added to the plan, except skipped services. For example, a proxy needs the services to which it
#: forwards requests, a metrics store needs the services whose metrics it collects, a service needs the
#: receiver of its telemetry, and this receiver needs the services to which it forwards spans. Therefore the
#: consumer's spec does not depend on the services that a client requests, and no request without skipped
#: services changes the spec of a running consumer. Under all other keys, a consumer gets only the
#: contributions of services that are already in the plan.
BRING_IN = frozenset({"route", "metrics", "alert", "alert-sink", "alert-receiver", TRACE_SINK, "variables"})


@frozen
class Contribution:
    """A value that a service offers to other services, under a key such as `route`."""

    key: str
    #: an instance of the type in `SHAPES` for the key; under another key, plain JSON data
    value: Any
    #: the contributing service; the planner sets it
    service: str = ""

    def __post_init__(self) -> None:
        shape = SHAPES.get(self.key)
        if shape is not None and not isinstance(self.value, shape):
            raise TypeError(
                f"the value of a contribution {self.key!r} must be a {shape.__name__}, not {self.value!r}"
            )

    @property
    def port(self) -> str:
        """The name of the service's port to which the value refers; empty if it refers to no port."""
        return self.value.port if isinstance(self.value, Metrics | AlertSink | AlertReceiver) else ""

    @property
    def address(self) -> str:
        """The address `HOST:PORT` as two optional references; they do not delay the consumer's start."""
        return f"${{{self.service}.host?}}:${{{self.service}.{self.port}_port?}}"

    def to_json(self) -> dict[str, Any]:
        """Return this contribution as JSON data, from which `from_json` creates it again."""
        value = asdict(self.value) if is_dataclass(type(self.value)) else self.value
        return {"key": self.key, "service": self.service, "value": value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Contribution:
        """Return the contribution that `to_json` converted.

        Raises `KeyError`, `TypeError` or `ValueError` for other data.
        """
        shape, value = SHAPES.get(data["key"]), data["value"]
        if shape is Variables:
            value = {**value, "defaults": [Default(**_with_tuples(default)) for default in value["defaults"]]}
        if shape:
            value = shape(**_with_tuples(value))
        return cls(key=data["key"], service=data["service"], value=value)


def _with_tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with each list, which is JSON's only sequence, converted to a tuple."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


Contributions: TypeAlias = Sequence[Contribution]
