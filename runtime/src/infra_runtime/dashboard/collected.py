"""Charts of the metrics in the stack's Prometheus: the panels of Grafana about metrics of named jobs.

Source: Prometheus documentation, "HTTP API".
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator, Mapping
from string import Template
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from infra_runtime.dashboard.charts import Chart, Series, chart
from infra_runtime.errors import InfraError
from infra_runtime.services.grafana_dashboards import DASHBOARDS, Panel

#: the time limit in seconds for an answer of Prometheus
PATIENCE = 5.0
#: the largest size of an answer in bytes
LARGEST = 16 << 20
#: the units of Grafana → the units of charts
_UNITS = {"s": "s", "bytes": "B", "percent": "%", "reqps": "/s", "ops": "/s", "Bps": "B/s"}
_NAME = re.compile(r"([a-zA-Z_]\w*)\{\$jobs")
_LABEL = re.compile(r"\{\{(\w+)\}\}")


class CollectedError(InfraError):
    """Prometheus does not answer, or it refuses a query."""


def charts(url: str, since: float, until: float, step: float) -> list[Chart]:
    """Return the charts of all panels whose metrics Prometheus has. Raises `CollectedError`."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)
    try:
        period = {"start": f"{since:.3f}", "end": f"{until:.3f}"}
        names = set(_asked(connection, f"/api/v1/label/{quote('__name__')}/values", period))
        charts = []
        for dashboard in DASHBOARDS:
            for panel in dashboard.panels:
                series = [*_series(connection, panel, names, {**period, "step": f"{step:.3f}"})]
                title = f"{dashboard.title}: {panel.title}"
                charts.append(chart(title, _UNITS.get(panel.unit, ""), "collected", series))
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise CollectedError(f"Prometheus does not answer, or its answer is not valid: {error}") from error
    finally:
        connection.close()
    return [item for item in charts if item.series]


def _series(
    connection: http.client.HTTPConnection, panel: Panel, names: set[str], period: Mapping[str, str]
) -> Iterator[Series]:
    for legend, query in panel.queries.items():
        metric_names = _NAME.findall(query)
        # Left out: a query that selects its metrics with a pattern, and a query about all processes.
        if not metric_names or not names.issuperset(metric_names):
            continue
        expression = Template(query).substitute(jobs='job=~".+"')
        answer = _asked(connection, "/api/v1/query_range", {"query": expression, **period})
        for row in answer["result"]:
            labels = row["metric"]
            name = _named(legend, labels)
            values = ((float(time), float(value)) for time, value in row["values"])
            finite = tuple((time, value) for time, value in values if value - value == 0)
            yield Series(name=name or panel.title, service=str(labels.get("job", "")), values=finite)


def _named(legend: str, labels: Mapping[str, str]) -> str:
    return _LABEL.sub(lambda match: str(labels.get(match[1], "")), legend).strip()


def _asked(connection: http.client.HTTPConnection, path: str, parameters: Mapping[str, str]) -> Any:
    connection.request("GET", f"{path}?{urlencode(parameters)}")
    response = connection.getresponse()
    content = response.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise CollectedError(f"the answer of Prometheus to {path} has more than {LARGEST} bytes")
    answer = json.loads(content)
    if answer["status"] != "success":
        raise CollectedError(f"Prometheus has refused the query {path}: {answer.get('error', '')}")
    return answer["data"]
