"""The exporter of the metrics of NATS, which is part of pytest-infra."""

from __future__ import annotations

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.contributions import Contribution, Contributions, Metrics
from infra_runtime.manifest import KINDS
from infra_runtime.nats_metrics import PREFIX, VARIABLE
from infra_runtime.services import exporter
from infra_runtime.spec import HttpProbe, ServiceSpec

_KIND = KINDS["nats-exporter"]


class NatsExporterPorts(Ports):
    http: Port = _KIND.ports["http"]


class NatsExporterSettings(ServiceSettings):
    ports: NatsExporterPorts = NatsExporterPorts()
    #: the service whose metrics are exported; it exports `monitor_url`
    target: str = Field(_KIND.target, pattern=exporter.SERVICE)


def nats_exporter(settings: NatsExporterSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of an exporter that requests the values of its target; it has no container."""
    return ServiceSpec(
        name="nats-exporter",
        command=(
            "${bin.nats-exporter}",
            # The working directory is the data folder, whose files must not be imported.
            "-P",
            "-m",
            "infra_runtime.nats_metrics",
            "${host}",
            "${port.http}",
        ),
        # The path of the address is a secret, so it is not an argument.
        env={VARIABLE: f"${{{settings.target}.monitor_url}}", **settings.env},
        ports=settings.port_map(),
        ready=HttpProbe(port="http", path="/metrics", contains=f"{PREFIX}_connections"),
        exports={
            "url": "http://${host}:${port.http}",
            "metrics_url": "http://${host}:${port.http}/metrics",
            "host": "${host}",
            "port": "${port.http}",
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        restart=settings.restart,
    )


ENTRY = Entry(
    settings=NatsExporterSettings,
    make=nats_exporter,
    # The interpreter of this environment.
    binaries=(Binary(name="nats-exporter", module="infra_runtime"),),
    contributions=lambda _: [Contribution(key="metrics", value=Metrics(port="http", subject="messages"))],
)
