"""The receiver of traces, logs and metrics, which starts when a program sends the first of them.

Sources: OpenTelemetry specification, "OTLP Exporter Configuration", "Environment Variable Specification",
"Resource SDK".
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, Seconds, ServiceSettings
from infra_runtime.contributions import AlertReceiver, AlertSink, Contribution, Contributions, Variables
from infra_runtime.manifest import KINDS
from infra_runtime.spec import Container, Secret, ServiceSpec
from infra_runtime.telemetry import ALERTS, KEY_HEADER

_PORTS = KINDS["telemetry"].ports


class TelemetryPorts(Ports):
    otlp: Port = _PORTS["otlp"]
    query: Port = _PORTS["query"]


class TelemetrySettings(ServiceSettings):
    ports: TelemetryPorts = TelemetryPorts()
    #: seconds between two exports of your own services
    export_interval: Seconds = 1.0
    #: the number of runs whose records are kept, and the bytes of the records of a run
    runs: int = Field(10, ge=1, le=1000)
    run_bytes: int = Field(512 * 2**20, ge=2**20, le=2**40)
    #: seconds between two alerts about equal errors in spans and logs
    error_interval: Seconds = 60.0


def telemetry(settings: TelemetrySettings, contributions: Contributions = ()) -> ServiceSpec:
    """Return the spec of the receiver. It has no probe, because a probe is a connection, which starts it.

    If an alert sink is part of the stack, the receiver sends it the errors in spans and logs.
    """
    sinks = [
        f"--alert-sink=http://${{{offer.service}.host?}}:${{{offer.service}.{offer.port}_port?}}"
        for offer in contributions
        if isinstance(offer.value, AlertSink)
    ]
    return ServiceSpec(
        name="telemetry",
        command=(
            "${bin.opentelemetry-proto}",
            # The working directory is the data folder, whose files must not be imported.
            "-P",
            "-m",
            "infra_runtime.telemetry",
            "--folder=${data}/runs",
            "--key-file=${data}/key.secret",
            f"--runs={settings.runs}",
            f"--run-bytes={settings.run_bytes}",
            f"--error-interval={settings.error_interval:g}",
            *sinks,
        ),
        env=settings.env,
        prepare=(Secret(path="${data}/key.secret"),),
        ports=settings.port_map(),
        starts_on_connection=True,
        exports={
            "url": "http://${host}:${port.otlp}",
            "host": "${host}",
            "port": "${port.otlp}",
            "query_url": "http://${host}:${port.query}",
            "query_port": "${port.query}",
            "key": "${secret.key}",
        },
        sensitive=("key",),
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        restart=settings.restart,
        container=Container(
            image=settings.image or "",
            problem="the receiver has no image; send telemetry to an OpenTelemetry Collector instead",
        ),
    )


def _contributions(settings: TelemetrySettings) -> Iterator[Contribution]:
    yield Contribution(
        key="alert-receiver",
        value=AlertReceiver(protocol="webhook", port="query", path=ALERTS, key="key"),
    )
    milliseconds = str(max(round(settings.export_interval * 1000), 1))
    yield Contribution(
        key="variables",
        value=Variables(
            values={
                "OTEL_EXPORTER_OTLP_ENDPOINT": "${url}",
                # Without it, Python's SDK uses gRPC.
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_HEADERS": f"{KEY_HEADER}=${{key}}",
                "OTEL_SERVICE_NAME": "${stack.service}",
                "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=${stack.environment}",
                "OTEL_TRACES_EXPORTER": "otlp",
                "OTEL_LOGS_EXPORTER": "otlp",
                "OTEL_METRICS_EXPORTER": "otlp",
                "OTEL_TRACES_SAMPLER": "parentbased_always_on",
                "OTEL_METRICS_EXEMPLAR_FILTER": "trace_based",
                "OTEL_BSP_SCHEDULE_DELAY": milliseconds,
                "OTEL_BLRP_SCHEDULE_DELAY": milliseconds,
                "OTEL_METRIC_EXPORT_INTERVAL": milliseconds,
                "OTEL_METRIC_EXPORT_TIMEOUT": milliseconds,
            },
            separators={"OTEL_RESOURCE_ATTRIBUTES": ","},
            sensitive=("OTEL_EXPORTER_OTLP_HEADERS",),
        ),
    )


ENTRY = Entry(
    settings=TelemetrySettings,
    make=telemetry,
    contributions=_contributions,
    consumes=("alert-sink",),
    # The interpreter of this environment, which has the library.
    binaries=(Binary(name="opentelemetry-proto", module="opentelemetry.proto"),),
    roles=("telemetry",),
    defaults={"test": {"export_interval": 0.2}},
)
