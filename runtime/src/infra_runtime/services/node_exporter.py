"""The exporter of the metrics of the machine: processors, memory, disks, network.

Sources: node_exporter's README, "Collectors"; for the container, prometheus/node_exporter, `Dockerfile`:
Busybox, and `/bin/node_exporter` as entry point.
"""

from __future__ import annotations

from dataclasses import replace

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.services import exporter
from infra_runtime.spec import ServiceSpec

IMAGE = "quay.io/prometheus/node-exporter:v1.9.1"
_KIND = KINDS["node-exporter"]
_PROGRAM = "prometheus-node-exporter"
#: Turn off two collectors. Debian's package turns on `systemd`, which logs an error after each request if the
#: machine does not run systemd. `textfile` reads a folder of the machine to which other programs write.
_OFF = {"no-collector.systemd": "", "no-collector.textfile": ""}


class NodeExporterPorts(Ports):
    http: Port = _KIND.ports["http"]


class NodeExporterSettings(exporter.ExporterSettings):
    ports: NodeExporterPorts = NodeExporterPorts()


def node_exporter(settings: NodeExporterSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of an exporter that reports the metrics of the machine.

    In a container, some of these metrics are about the container instead of the machine.
    """
    spec = exporter.exporter(
        settings,
        program=_PROGRAM,
        arguments=exporter.flags(settings, _OFF),
        env={},
        ready="Node Exporter",
        # A probe of the metrics would close the connection before the end of the answer, and the exporter
        # would write an error for each metric to its log.
        probe="/",
    )
    arguments = exporter.flags(settings, {})
    return replace(spec, container=exporter.container(settings, image=IMAGE, arguments=arguments, env={}))


ENTRY = Entry(
    settings=NodeExporterSettings,
    make=node_exporter,
    binaries=(Binary(name=_PROGRAM, aliases=("node_exporter",)),),
    contributions=exporter.contributions("machine"),
)
