"""The dashboards: their structure, and each query against a real Prometheus with the metrics of a stack."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any, get_args

import pytest

import infra_runtime as infra
from fakes.stacks import until
from infra_runtime.contributions import Contribution, Metrics, Subject
from infra_runtime.engines.local.stack import Stack
from infra_runtime.services.grafana_dashboards import DASHBOARDS, rendered

PATIENCE = 120.0
#: an application with the metrics of `infra_runtime.web`, after requests, queries and jobs
API = """
import http.server, sys
from infra_runtime.web.asgi import ResponseProgress
from infra_runtime.web.metrics import Metrics

metrics = Metrics()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        for status in (200, 503):
            response = ResponseProgress(None)
            response.status, response.size = status, 100
            with metrics.http("GET", response):
                pass
        with metrics.query("find_order"), metrics.job("send_mail"):
            metrics.counter("orders_total", "Orders.").inc()
        body, media_type = metrics.exposition()
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
STACK = """
use = ["nats", "postgres", "valkey", "rabbitmq", "api"]
[services.api]
command = ["${bin.python}", "-P", "${root}/api.py", "${port.http}"]
ports = { http = 18000 }
ready = { http = "/" }
metrics = "/metrics"
[services.rabbitmq]
metrics = true
[services.prometheus]
alerts = false
"""
#: subject → the job that has these metrics in the stack
JOBS: dict[Subject, str] = {
    "application": "api",
    "machine": "node-exporter",
    "database": "postgres-exporter",
    "cache": "redis-exporter",
    "broker": "rabbitmq",
    "messages": "nats-exporter",
}


REAL = pytest.mark.real(
    *("prometheus", "node-exporter", "postgres-exporter", "redis-exporter", "nats-exporter"),
    *("nats", "postgres", "valkey", "rabbitmq"),
)


def jobs(*subjects: Subject) -> dict[str, Contribution]:
    names = {subject: JOBS.get(subject, subject) for subject in subjects}
    return {
        name: Contribution(key="metrics", service=name, value=Metrics(port="http", subject=subject))
        for subject, name in names.items()
    }


def queries(*subjects: Subject) -> list[str]:
    """Return the queries of all dashboards about these subjects."""
    return [
        target["expr"]
        for dashboard in rendered(jobs(*subjects)).values()
        for panel in dashboard["panels"]
        for target in panel["targets"]
    ]


def test_a_stack_has_only_the_dashboards_of_its_jobs() -> None:
    assert rendered(jobs("cache", "")).keys() == {"infra-cache"}
    assert rendered({}) == {}


def test_each_subject_has_a_dashboard() -> None:
    assert {dashboard.subject for dashboard in DASHBOARDS} == set(get_args(Subject)) - {""}


def test_the_json_model_has_unique_ids_and_panels_that_do_not_overlap() -> None:
    subjects: tuple[Subject, ...] = get_args(Subject)
    dashboards = rendered(jobs(*subjects))

    assert len({dashboard["title"] for dashboard in dashboards.values()}) == len(DASHBOARDS)
    for uid, dashboard in dashboards.items():
        panels = dashboard["panels"]
        places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
        assert dashboard["uid"] == uid
        assert len(places) == len({panel["id"] for panel in panels}) == len(panels)
        assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
        for panel in panels:
            assert [target["refId"] for target in panel["targets"]] == [*"ABC"][: len(panel["targets"])]
            assert all(
                target["datasource"] == dashboard["panels"][0]["datasource"] for target in panel["targets"]
            )


def test_the_names_of_jobs_are_text_in_the_pattern_of_a_query() -> None:
    offers = {
        name: Contribution(key="metrics", service="a", value=Metrics(port="http", subject="cache"))
        for name in ("a", "a:http/m.x")
    }

    (dashboard,) = rendered(offers).values()

    assert dashboard["panels"][0]["targets"][0]["expr"] == (
        'redis_connected_clients{job=~"a|a:http/m\\\\.x"}'
    )


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A database, a cache and an application, with the profile `observability` without alerts."""
    pytest.importorskip("prometheus_client", reason="needs the extra `web`")
    folder = tmp_path_factory.mktemp("dashboards")
    (folder / "api.py").write_text(API, encoding="utf-8")
    (folder / "infra.toml").write_text(STACK, encoding="utf-8")
    with infra.start(
        environment="test",
        directory=folder,
        data=folder / "data",
        profile="observability",
        skip=("alertmanager", "telemetry", "mail"),
    ) as stack:
        yield stack


@pytest.fixture
def publisher(stack: Stack) -> Iterator[None]:
    """A connection to RabbitMQ with a channel that has published: the metrics are those of open channels."""
    pika = pytest.importorskip("pika", reason="needs the extra `rabbitmq`")
    parameters = pika.URLParameters(stack.rabbitmq.url)
    parameters.heartbeat = 0
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.queue_declare("orders")
    channel.basic_publish("", "orders", b"order")
    yield
    connection.close()


@REAL
@pytest.mark.usefixtures("publisher")
def test_each_query_of_the_services_in_a_stack_returns_series(stack: Stack) -> None:
    """The last query needs two samples of each series, which a later scrape adds."""
    expressions = queries(*JOBS)
    without_series = [*expressions]

    def is_complete() -> bool:
        without_series[:] = [expression for expression in without_series if not series(stack, expression)]
        return not without_series

    until(is_complete, PATIENCE)

    assert len(expressions) > 25


@REAL
def test_a_query_that_is_not_valid_is_an_error(stack: Stack) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        series(stack, "sum(")


def series(stack: Stack, expression: str) -> list[dict[str, Any]]:
    """Return the series of a query; raise an error for a query that is not valid."""
    url = f"{stack.prometheus.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    with urllib.request.urlopen(url, timeout=60) as answer:
        result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return result
