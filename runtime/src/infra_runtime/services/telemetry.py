"""The receiver of traces, logs and metrics; its process starts at the first connection.

Sources: OpenTelemetry specification, "OTLP Exporter Configuration", "Environment Variable Specification",
"Resource SDK"; OpenTelemetry semantic conventions, "Service", "Deployment".
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, Seconds, ServiceSettings
from infra_runtime.contributions import (
    TRACE_SINK,
    AlertReceiver,
    AlertSink,
    Contribution,
    Contributions,
    TraceSink,
    Variables,
)
from infra_runtime.host.packages import is_importable
from infra_runtime.manifest import KINDS
from infra_runtime.services import otlp_variables
from infra_runtime.spec import Default, Secret, ServiceSpec
from infra_runtime.telemetry import ALERTS, GRPC_LIBRARY, GRPC_PORT

_PORTS = KINDS["telemetry"].ports
#: The resource attributes of each of your own services. Source: semantic conventions, "Service": the three
#: attributes `service.…` together identify a process
_ATTRIBUTES = {
    "service.namespace": "${stack.project}",
    "service.instance.id": "${stack.service}-${stack.run}",
    "deployment.environment.name": "${stack.environment}",
    "infra.run.id": "${stack.run}",
}


class TelemetryPorts(Ports):
    otlp: Port = _PORTS["otlp"]
    otlp_grpc: Port = _PORTS["otlp_grpc"]
    query: Port = _PORTS["query"]


class TelemetrySettings(ServiceSettings):
    ports: TelemetryPorts = TelemetryPorts()
    #: whether the service also receives OTLP over gRPC; by default, true if the extra is installed
    grpc: bool = False
    #: the seconds between two exports of telemetry by your own services
    export_interval: Seconds = 1.0
    #: the number of runs of the stack whose records are kept, and the largest size in bytes of the records of
    #: one run
    runs: int = Field(10, ge=1, le=1000)
    run_bytes: int = Field(512 * 2**20, ge=2**20, le=2**40)
    #: the shortest time in seconds between two alerts about equal errors in spans and logs
    error_interval: Seconds = 60.0


def telemetry(settings: TelemetrySettings, contributions: Contributions = ()) -> ServiceSpec:
    """Return the spec of the receiver.

    The spec has no probe, because the connection of a probe would start the process of the receiver. The spec
    has no container, because the receiver has no image: where services run in containers, send telemetry to
    an OpenTelemetry Collector. If an alert sink is part of the stack, the receiver sends the errors in spans
    and logs to this sink.
    """
    sinks = [
        f"--alert-sink=http://{offer.address}"
        for offer in contributions
        if isinstance(offer.value, AlertSink)
    ]
    ports = settings.port_map()
    if not settings.grpc:
        del ports[GRPC_PORT]
    return ServiceSpec(
        name="telemetry",
        command=(
            "${bin.opentelemetry-proto}",
            # With -P, Python does not import files of the working directory, which is the data folder.
            "-P",
            "-m",
            "infra_runtime.telemetry",
            "--folder=${data}/runs",
            "--key-file=${data}/key.secret",
            f"--runs={settings.runs}",
            f"--run-bytes={settings.run_bytes}",
            f"--error-interval={settings.error_interval:g}",
            *sinks,
            *(
                f"--forward=${{{offer.service}.{offer.value.export}?}}"
                for offer in contributions
                if isinstance(offer.value, TraceSink)
            ),
        ),
        env=settings.env,
        prepare=(Secret(path="${data}/key.secret"),),
        ports=ports,
        ports_may_vary="ports" not in settings.model_fields_set,
        starts_on_connection=True,
        exports={
            "url": "http://${host}:${port.otlp}",
            "host": "${host}",
            "port": "${port.otlp}",
            **({"grpc_url": f"http://${{host}}:${{port.{GRPC_PORT}}}"} if settings.grpc else {}),
            "query_url": "http://${host}:${port.query}",
            "query_port": "${port.query}",
            "key": "${secret.key}",
        },
        sensitive=("key",),
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        restart=settings.restart,
    )


def _contributions(settings: TelemetrySettings) -> Iterator[Contribution]:
    yield Contribution(
        key="alert-receiver",
        value=AlertReceiver(protocol="webhook", port="query", path=ALERTS, key="key"),
    )
    yield Contribution(
        key="variables",
        value=Variables(
            defaults=(*otlp_variables.defaults(grpc=settings.grpc), *_sdk_defaults(settings)),
            sensitive=otlp_variables.SENSITIVE,
        ),
    )


def _sdk_defaults(settings: TelemetrySettings) -> Iterator[Default]:
    milliseconds = str(max(round(settings.export_interval * 1000), 1))
    attributes = ",".join(f"{key}={value}" for key, value in _ATTRIBUTES.items())
    yield Default(name="OTEL_SERVICE_NAME", value="${stack.service}")
    yield Default(name="OTEL_RESOURCE_ATTRIBUTES", value=attributes, separator=",")
    values = {
        **{f"OTEL_{signal}_EXPORTER": "otlp" for signal in otlp_variables.SIGNALS},
        "OTEL_TRACES_SAMPLER": "parentbased_always_on",
        "OTEL_METRICS_EXEMPLAR_FILTER": "trace_based",
        # Only programs that are started with `opentelemetry-instrument` read this variable.
        "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": "true",
        "OTEL_BSP_SCHEDULE_DELAY": milliseconds,
        "OTEL_BLRP_SCHEDULE_DELAY": milliseconds,
        "OTEL_METRIC_EXPORT_INTERVAL": milliseconds,
        "OTEL_METRIC_EXPORT_TIMEOUT": milliseconds,
    }
    for name, value in values.items():
        yield Default(name=name, value=value)


def _facts(interpreter: Path) -> Mapping[str, Any]:
    """Return in `grpc` whether this environment has the library for gRPC; empty for another interpreter."""
    return {"grpc": is_importable(GRPC_LIBRARY)} if interpreter == Path(sys.executable) else {}


ENTRY = Entry(
    settings=TelemetrySettings,
    make=telemetry,
    contributions=_contributions,
    consumes=(TRACE_SINK, "alert-sink"),
    # The interpreter of this environment, which has the libraries.
    binaries=(Binary(name="opentelemetry-proto", module="opentelemetry.proto starlette uvicorn"),),
    facts=_facts,
    roles=("telemetry",),
    defaults={"test": {"export_interval": 0.2}},
)
