"""VictoriaMetrics, a store of metrics that answers queries in PromQL, with a web interface.

Source: VictoriaMetrics documentation, "Single-node version" and "URL examples".
"""

from __future__ import annotations

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports
from infra_runtime.contributions import Contribution, Contributions, Metrics
from infra_runtime.manifest import KINDS
from infra_runtime.services import victoria
from infra_runtime.spec import Exchange, Expect, ServiceSpec

IMAGE = "victoriametrics/victoria-metrics:v1.151.0"
_KIND = KINDS["victoriametrics"]


class VictoriaMetricsPorts(Ports):
    http: Port = _KIND.ports["http"]


class VictoriaMetricsSettings(victoria.VictoriaSettings):
    ports: VictoriaMetricsPorts = VictoriaMetricsPorts()


_SUCCESS = Expect(until="}", prefixes=("HTTP/1.1 200",), contains='"status":"ok"')
#: The server creates a snapshot by writing the samples in its memory to files, and then linking these files.
_QUIESCE = Exchange(
    port="http",
    steps=(
        victoria.get("/snapshot/delete_all"),
        _SUCCESS,
        victoria.get("/snapshot/create"),
        _SUCCESS,
    ),
)


def victoriametrics(settings: VictoriaMetricsSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of a server that receives metrics; it does not request the metrics of services."""
    return victoria.server(
        settings,
        kind=_KIND,
        program="victoria-metrics",
        image=IMAGE,
        folder="samples",
        # By default, queries return a sample only 30 s after the server has received it.
        flags={"search.latencyOffset": "0s"},
        paths={
            "ui_url": "/vmui/",
            "import_url": "/api/v1/import/prometheus",
            "remote_write_url": "/api/v1/write",
        },
        quiesce=_QUIESCE,
    )


ENTRY = Entry(
    settings=VictoriaMetricsSettings,
    make=victoriametrics,
    binaries=(Binary(name="victoria-metrics"),),
    contributions=lambda _: [Contribution(key="metrics", value=Metrics(port="http"))],
    defaults={"test": {"retention": "1d"}},
)
