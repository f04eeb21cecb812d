"""VictoriaMetrics, a store of metrics that answers queries in PromQL, with a web interface.

Sources: the output of `victoria-metrics --help`; VictoriaMetrics documentation, "Single-node version" and
"URL examples"; for the container victoriametrics/victoria-metrics, `deployment/docker`: the entry point is
the program, and Alpine contains wget.
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

IMAGE = "victoriametrics/victoria-metrics:v1.151.0"
_CONTAINER_DATA = "/victoria-metrics-data"

_PORTS = KINDS["victoriametrics"].ports


class VictoriaMetricsPorts(Ports):
    http: Port = _PORTS["http"]


class VictoriaMetricsSettings(ServiceSettings):
    ports: VictoriaMetricsPorts = VictoriaMetricsPorts()
    #: samples older than this are deleted; the shortest time is a day
    retention: str = Field("7d", pattern=r"^[1-9][0-9]*[dwy]$")
    #: further flags of the program, such as `"search.maxSeries" = "1000"`; an empty value is a flag alone
    options: Mapping[str, str] = {}


def _request(path: str) -> tuple[Send, Expect]:
    """Return a request on a connection that remains open, and its answer."""
    return (
        Send(text=f"GET {path} HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n"),
        Expect(until="}", prefixes=("HTTP/1.1 200",), contains='"status":"ok"'),
    )


#: A snapshot of the server writes the samples in memory to files; it consists of links to these files.
_QUIESCE = Exchange(port="http", steps=(*_request("/snapshot/delete_all"), *_request("/snapshot/create")))


def victoriametrics(settings: VictoriaMetricsSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of a server that receives metrics; it does not request the metrics of services."""
    flags = as_arguments(
        {
            "httpListenAddr": "${host}:${port.http}",
            "retentionPeriod": settings.retention,
            "loggerLevel": "WARN",
            # A page of another server cannot read the metrics.
            "http.disableCORS": "",
            # By default, queries return samples only 30 s after they were received.
            "search.latencyOffset": "0s",
            **settings.options,
        }
    )
    return ServiceSpec(
        name="victoriametrics",
        command=("${bin.victoria-metrics}", "--storageDataPath=${data}/samples", *flags),
        env=settings.env,
        ports=settings.port_map(),
        ready=HttpProbe(port="http", path="/health", contains="OK"),
        exports={
            "url": "http://${host}:${port.http}",
            "host": "${host}",
            "port": "${port.http}",
            "ui_url": "http://${host}:${port.http}/vmui/",
            "import_url": "http://${host}:${port.http}/api/v1/import/prometheus",
            "remote_write_url": "http://${host}:${port.http}/api/v1/write",
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
    settings=VictoriaMetricsSettings,
    make=victoriametrics,
    binaries=(Binary(name="victoria-metrics"),),
    contributions=lambda _: [Contribution(key="metrics", value=Metrics(port="http"))],
    defaults={"test": {"retention": "1d"}},
)
