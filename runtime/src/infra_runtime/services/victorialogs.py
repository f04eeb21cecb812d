"""VictoriaLogs, a store of log records with queries in LogsQL, and a web interface.

Source: VictoriaLogs documentation, "Data ingestion" and "Querying".
"""

from __future__ import annotations

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports
from infra_runtime.contributions import Contribution, Contributions, Metrics
from infra_runtime.manifest import KINDS
from infra_runtime.services import victoria
from infra_runtime.spec import Exchange, Expect, ServiceSpec

IMAGE = "victoriametrics/victoria-logs:v1.52.2"
_KIND = KINDS["victorialogs"]


class VictoriaLogsPorts(Ports):
    http: Port = _KIND.ports["http"]


class VictoriaLogsSettings(victoria.VictoriaSettings):
    ports: VictoriaLogsPorts = VictoriaLogsPorts()
    #: the largest size of all log records, in bytes; if it is exceeded, the records of the oldest days are
    #: deleted
    max_bytes: int = Field(2**30, ge=2**20, le=2**40)


#: The server creates a snapshot by writing the records in its memory to files, and then linking these files.
_QUIESCE = Exchange(
    port="http",
    steps=(
        victoria.get("/internal/partition/snapshot/create"),
        Expect(until="]", prefixes=("HTTP/1.1 200",)),
    ),
)


def victorialogs(settings: VictoriaLogsSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of a server that receives log records as JSON lines and by OTLP."""
    return victoria.server(
        settings,
        kind=_KIND,
        program="victoria-logs",
        image=IMAGE,
        folder="logs",
        flags={"retention.maxDiskSpaceUsageBytes": str(settings.max_bytes), "snapshotsMaxAge": "1h"},
        paths={
            "ui_url": "/select/vmui/",
            "insert_url": "/insert/jsonline",
            # An OTLP exporter appends `/v1/logs` to this address.
            "otlp_url": "/insert/opentelemetry",
            "query_url": "/select/logsql/query",
        },
        quiesce=_QUIESCE,
    )


ENTRY = Entry(
    settings=VictoriaLogsSettings,
    make=victorialogs,
    binaries=(Binary(name="victoria-logs"),),
    contributions=lambda _: [Contribution(key="metrics", value=Metrics(port="http"))],
    defaults={"test": {"retention": "1d", "max_bytes": 64 * 2**20}},
)
