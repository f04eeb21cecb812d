"""VictoriaLogs, a store of log records with queries in LogsQL, and a web interface.

Sources: the output of `victoria-logs --help`; VictoriaLogs documentation, "Data ingestion" and "Querying";
for the container victoriametrics/victoria-logs, `deployment/docker`: the entry point is the program, and
Alpine contains wget.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.contributions import Contribution, Contributions, Metrics
from infra_runtime.manifest import KINDS
from infra_runtime.services.exporter import as_arguments
from infra_runtime.spec import Container, Exchange, Expect, HttpProbe, Send, ServiceSpec

IMAGE = "victoriametrics/victoria-logs:v1.52.2"
_CONTAINER_DATA = "/victoria-logs-data"

_PORTS = KINDS["victorialogs"].ports


class VictoriaLogsPorts(Ports):
    http: Port = _PORTS["http"]


class VictoriaLogsSettings(ServiceSettings):
    ports: VictoriaLogsPorts = VictoriaLogsPorts()
    #: log records older than this are deleted; the shortest time is a day
    retention: str = Field("7d", pattern=r"^[1-9][0-9]*[dwy]$")
    #: the oldest days are deleted if all log records together have more bytes
    max_bytes: int = Field(2**30, ge=2**20, le=2**40)
    #: further flags of the program; an empty value is a flag alone
    options: Mapping[str, str] = {}


#: A snapshot of the server writes the records in memory to files; it consists of links to these files.
_QUIESCE = Exchange(
    port="http",
    steps=(
        Send(
            text="GET /internal/partition/snapshot/create HTTP/1.1\\r\\nHost: localhost\\r\\n"
            "Connection: close\\r\\n\\r\\n"
        ),
        Expect(until="]", prefixes=("HTTP/1.1 200",)),
    ),
)


def victorialogs(settings: VictoriaLogsSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of a server that receives log records as JSON lines and by OTLP."""
    flags = as_arguments(
        {
            "httpListenAddr": "${host}:${port.http}",
            "retentionPeriod": settings.retention,
            "retention.maxDiskSpaceUsageBytes": str(settings.max_bytes),
            "loggerLevel": "WARN",
            # A page of another server cannot read the log records.
            "http.disableCORS": "",
            "snapshotsMaxAge": "1h",
            **settings.options,
        }
    )
    url = "http://${host}:${port.http}"
    return ServiceSpec(
        name="victorialogs",
        command=("${bin.victoria-logs}", "--storageDataPath=${data}/logs", *flags),
        env=settings.env,
        ports=settings.port_map(),
        ready=HttpProbe(port="http", path="/health", contains="OK"),
        exports={
            "url": url,
            "host": "${host}",
            "port": "${port.http}",
            "ui_url": f"{url}/select/vmui/",
            "insert_url": f"{url}/insert/jsonline",
            # An exporter adds `/v1/logs`.
            "otlp_url": f"{url}/insert/opentelemetry",
            "query_url": f"{url}/select/logsql/query",
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        restart=settings.restart,
        quiesce=_QUIESCE,
        container=Container(
            image=settings.image or IMAGE,
            uid=65534,
            command=(f"--storageDataPath={_CONTAINER_DATA}", *flags),
            env=settings.env,
            data=_CONTAINER_DATA,
            ports=dict(_PORTS),
            health=("wget", "-q", "-O", "/dev/null", "http://127.0.0.1:${port.http}/health"),
        ),
    )


ENTRY = Entry(
    settings=VictoriaLogsSettings,
    make=victorialogs,
    binaries=(Binary(name="victoria-logs"),),
    contributions=lambda _: [Contribution(key="metrics", value=Metrics(port="http"))],
    defaults={"test": {"retention": "1d", "max_bytes": 64 * 2**20}},
)
