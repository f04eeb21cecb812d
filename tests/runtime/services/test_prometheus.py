"""Prometheus: the jobs and the alerts that it makes from contributions, and the real server."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import infra_runtime as infra
from fakes.engine import options
from fakes.project import Project
from fakes.stacks import alive, until
from infra_runtime.binaries import store
from infra_runtime.catalogue import entry
from infra_runtime.contributions import Alert, AlertSink, Contribution, Metrics
from infra_runtime.engines.local.stack import Endpoint, Stack
from infra_runtime.spec import ServiceSpec, WriteFile

PATIENCE = 180.0
OFFERS = (
    Contribution(key="alert", service="api", value=Alert(name="Hot", expression='a{x="1"} > 5', after=0.5)),
    Contribution(
        key="alert",
        service="api",
        value=Alert(name="Down", expression="up == 0", severity="page", summary="{{ $labels.job }} is down"),
    ),
    Contribution(key="alert-sink", service="sink", value=AlertSink(port="http")),
    Contribution(key="metrics", service="api", value=Metrics(port="http", path="/internal")),
    Contribution(key="metrics", service="api", value=Metrics(port="admin")),
)


def spec_of(*offers: Contribution, **settings: Any) -> ServiceSpec:
    kind = entry("prometheus")
    return kind.make(kind.settings.model_validate(settings), offers)


def file(spec: ServiceSpec, name: str = "prometheus.yml") -> Any:
    (text,) = [
        step.text for step in spec.prepare if isinstance(step, WriteFile) and step.path.endswith(f"/{name}")
    ]
    assert spec.container is not None
    assert spec.container.files[f"/etc/prometheus/{name}"] == text
    return json.loads(text)


# --- from contributions to the configuration -----------------------------------------------------------


def test_each_address_with_metrics_is_a_job_with_the_name_of_the_service() -> None:
    spec = spec_of(*OFFERS)

    assert file(spec)["scrape_configs"] == [
        {
            "job_name": "api",
            "metrics_path": "/internal",
            "static_configs": [{"targets": ["${api.host?}:${api.http_port?}"]}],
        },
        {
            "job_name": "api:admin/metrics",
            "metrics_path": "/metrics",
            "static_configs": [{"targets": ["${api.host?}:${api.admin_port?}"]}],
        },
    ]
    assert spec.exports["jobs"] == "api,api:admin/metrics"
    assert spec.all_needs() == ()


def test_the_alerts_of_a_service_are_a_group_of_rules() -> None:
    (group,) = file(spec_of(*OFFERS, alerts=False), "rules.yml")["groups"]

    assert group["name"] == "api"
    assert group["rules"] == [
        {
            "alert": "Hot",
            "expr": 'a{x="1"} > 5',
            "for": "500ms",
            "labels": {"severity": "warning", "service": "api"},
            "annotations": {},
        },
        {
            "alert": "Down",
            "expr": "up == 0",
            "for": "0ms",
            "labels": {"severity": "page", "service": "api"},
            "annotations": {"summary": "{{ $labels.job }} is down"},
        },
    ]


def test_alerts_are_sent_to_the_services_that_receive_alerts() -> None:
    assert file(spec_of(*OFFERS))["alerting"] == {
        "alertmanagers": [{"static_configs": [{"targets": ["${sink.host?}:${sink.http_port?}"]}]}]
    }
    assert "alerting" not in file(spec_of())


def test_options_are_merged_and_further_jobs_are_added() -> None:
    job = {"job_name": "other", "static_configs": [{"targets": ["127.0.0.1:1"]}]}
    configuration = file(
        spec_of(
            OFFERS[-1], options={"scrape_configs": [job], "global": {"external_labels": {"stack": "shop"}}}
        )
    )

    assert [item["job_name"] for item in configuration["scrape_configs"]] == ["api", "other"]
    assert configuration["global"] == {
        "scrape_interval": "5000ms",
        "scrape_timeout": "5000ms",
        "evaluation_interval": "5000ms",
        "external_labels": {"stack": "shop"},
    }


def test_the_storage_is_bounded_and_control_by_http_is_off() -> None:
    flags = options(spec_of(retention="1h", max_bytes=2**26, remote_write=False))

    assert flags["storage.tsdb.retention.time"] == "1h"
    assert flags["storage.tsdb.retention.size"] == "67108864B"
    assert flags["web.listen-address"] == "${host}:${port.http}"
    assert {"web.enable-lifecycle", "web.enable-admin-api", "web.enable-remote-write-receiver"}.isdisjoint(
        flags
    )
    assert "remote_write_url" not in spec_of(remote_write=False).exports


@pytest.mark.parametrize("use", ['"prometheus", "api"', '"api", "prometheus"', '"prometheus"'])
def test_a_request_for_the_store_alone_has_the_same_spec_as_the_stack(project: Project, use: str) -> None:
    """A running service cannot be changed: a test may ask for `prometheus` before or after the stack."""
    project.write(
        f"use = [{use}]\n[services.api]\ncommand = ['api']\nports = {{ http = 8000 }}\nmetrics = '/metrics'\n"
    )

    alone, whole = project.resolve("prometheus").plan, project.resolve().plan

    assert {spec.name: spec for spec in alone.services} == {spec.name: spec for spec in whole.services}
    assert len(alone.services) == 2


# --- the real server -------------------------------------------------------------------------------

API = """
import http.server, sys
count = 0

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global count
        count += self.path == "/order"
        body = f'orders_total{{shop="a"}} {count}\\n'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
STACK = """
use = ["prometheus", "api"]
[services.api]
command = ["${bin.python}", "-I", "-S", "${root}/api.py", "${port.http}"]
ports = { http = 18000 }
ready = { http = "/" }
metrics = "/numbers"
alert = { name = "Order", expression = "orders_total > 0", summary = "an order from {{ $labels.shop }}" }
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with a service that has metrics and an alert; a request names only Prometheus."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "api.py").write_text(API, encoding="utf-8")
    (folder / "infra.toml").write_text(STACK, encoding="utf-8")
    with infra.start("prometheus", environment="test", directory=folder, data=folder / "data") as stack:
        yield stack


def ask(server: Endpoint, path: str, **headers: str) -> tuple[int, str, str]:
    """Return status, body, and the origins that may read the answer."""
    request = urllib.request.Request(server.url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode(), answer.headers.get("Access-Control-Allow-Origin")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), ""


def samples(server: Endpoint, expression: str) -> list[dict[str, Any]]:
    _, body, _ = ask(server, f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
    return json.loads(body)["data"]["result"]


@pytest.mark.real("prometheus")
def test_a_real_server_collects_the_metrics_of_a_service_and_evaluates_its_alert(stack: Stack) -> None:
    ask(stack.api, "/order")

    until(lambda: samples(stack.prometheus, 'orders_total{job="api"} == 1'), PATIENCE)
    until(lambda: samples(stack.prometheus, 'ALERTS{alertname="Order",alertstate="firing"}'), PATIENCE)

    (up,) = samples(stack.prometheus, "up")
    assert up["metric"]["job"] == "api"
    assert float(up["value"][1]) == 1
    assert abs(up["value"][0] - time.time()) < PATIENCE


@pytest.mark.real("prometheus")
def test_pages_of_other_servers_cannot_read_the_metrics(stack: Stack) -> None:
    _, _, foreign = ask(stack.prometheus, "/api/v1/query?query=1", Origin="https://example.org")
    _, _, own = ask(stack.prometheus, "/api/v1/query?query=1", Origin="http://localhost:3000")

    assert foreign is None
    assert own == "http://localhost:3000"


def launcher(program: str, method: str) -> Path:
    """Return the script that starts an installed program with a method; skip the test without it."""
    folder = store.default_folder()
    entries = store.Store(folder).installed("prometheus") if folder and folder.is_dir() else []
    paths = [installed.folder / "launch" / method / program for installed in entries]
    if not (existing := [path for path in paths if path.is_file()]):
        pytest.skip(f"the store has no {program} that is started with {method}")
    return existing[0]


@pytest.mark.real("prometheus")
@pytest.mark.parametrize("method", ["bubblewrap", "libraries"])
def test_each_method_to_start_the_program_ends_all_its_processes(run, method: str) -> None:
    """With bubblewrap, the first process is `bwrap`, and only the web interface needs it."""
    stack = run("prometheus", binary=str(launcher("prometheus", method)))
    before = set(alive(stack.data))

    stack.crash("prometheus", wait=True)
    after = set(alive(stack.data))
    status, _, _ = ask(stack.prometheus, "/graph")
    stack.stop("prometheus")

    assert len(before) == len(after) == (2 if method == "bubblewrap" else 1)
    assert not before & after
    assert (status == 200) == (method == "bubblewrap")
    assert alive(stack.data) == []
