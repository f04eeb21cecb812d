"""The exporter of the metrics of NATS; the program of this exporter is part of pytest-infra."""

from __future__ import annotations

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.nats_metrics import PREFIX, VARIABLE
from infra_runtime.services import exporter
from infra_runtime.spec import ServiceSpec

_KIND = KINDS["nats-exporter"]


class NatsExporterPorts(Ports):
    http: Port = _KIND.ports["http"]


class NatsExporterSettings(ServiceSettings):
    ports: NatsExporterPorts = NatsExporterPorts()
    #: the service whose metrics are exported; it exports `monitor_url`
    target: str = Field(_KIND.target, pattern=exporter.SERVICE)


def nats_exporter(settings: NatsExporterSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of an exporter that requests the values of its target. The spec has no container."""
    return exporter.exporter(
        settings,
        program="nats-exporter",
        # With -P, Python does not import files of the working directory, which is the data folder.
        arguments=("-P", "-m", "infra_runtime.nats_metrics", "${host}", "${port.http}"),
        # The path of the address is a secret, so it is not an argument.
        env={VARIABLE: f"${{{settings.target}.monitor_url}}"},
        ready=f"{PREFIX}_connections",
    )


ENTRY = Entry(
    settings=NatsExporterSettings,
    make=nats_exporter,
    # The interpreter of this environment.
    binaries=(Binary(name="nats-exporter", module="infra_runtime"),),
    contributions=exporter.contributions("messages"),
)
