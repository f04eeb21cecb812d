"""The exporter of PostgreSQL's metrics.

Sources: postgres_exporter's README, "Environment Variables" and "Flags"; for the container,
prometheus-community/postgres_exporter, `Dockerfile`: the image contains Busybox, and its entry point is
`/bin/postgres_exporter`.
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.services import exporter
from infra_runtime.spec import ServiceSpec

IMAGE = "quay.io/prometheuscommunity/postgres-exporter:v0.17.1"
_KIND = KINDS["postgres-exporter"]
_PROGRAM = "prometheus-postgres-exporter"
_EXECUTABLE = "postgres_exporter"


class PostgresExporterPorts(Ports):
    http: Port = _KIND.ports["http"]


class PostgresExporterSettings(exporter.ExporterSettings):
    ports: PostgresExporterPorts = PostgresExporterPorts()
    #: the service whose metrics are exported; this service must have the export `socket_url`
    target: str = Field(_KIND.target, pattern=exporter.SERVICE)


def postgres_exporter(settings: PostgresExporterSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of an exporter that connects to the Unix socket of its target.

    On the socket, the exporter needs no password. Over TCP, the client library of the exporter refuses the
    passwords of tests, because they have only one hash round.
    """
    target = settings.target
    spec = exporter.exporter(
        settings,
        program=_PROGRAM,
        # This collector is off, because it reads columns that PostgreSQL 17 has moved to another view.
        arguments=exporter.flags(settings, {"no-collector.bgwriter": ""}),
        env={"DATA_SOURCE_NAME": f"${{{target}.socket_url}}&sslmode=disable"},
        ready="pg_exporter_last_scrape_error 0",
    )
    # Another container cannot open the socket, so the exporter uses TCP; in containers, passwords have the
    # usual number of hash rounds.
    address = f"${{{target}.host}}:${{{target}.port}}/${{{target}.database}}?sslmode=disable"
    env = {
        "DATA_SOURCE_URI": address,
        "DATA_SOURCE_USER": f"${{{target}.user}}",
        "DATA_SOURCE_PASS": f"${{{target}.password}}",
    }
    container = exporter.container(settings, image=IMAGE, arguments=exporter.flags(settings, {}), env=env)
    # The entry point is set, so that an engine can replace it by a script that reads the password from a file
    # and starts the program.
    return replace(spec, container=replace(container, entrypoint=(f"/bin/{_EXECUTABLE}",)))


ENTRY = Entry(
    settings=PostgresExporterSettings,
    make=postgres_exporter,
    binaries=(Binary(name=_PROGRAM, aliases=(_EXECUTABLE,)),),
    contributions=exporter.contributions("database"),
)
