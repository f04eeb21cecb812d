"""Alertmanager: its configuration, and an alert on its way from a service over Prometheus to a receiver."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import infra_runtime as infra
from fakes.engine import made, options, written
from fakes.project import Project
from fakes.stacks import until
from infra_runtime.binaries import recipes
from infra_runtime.binaries.recipe import Debian
from infra_runtime.catalogue import entry

PATIENCE = 90.0
API = """
import http.server, json, pathlib, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(sys.argv[2], "ab") as file:
            file.write(body + b"\\\\n")
        self.do_GET()

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"queue_length 7\\\\n")

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
""".replace("\\\\", "\\")
STACK = """
use = ["alertmanager", "prometheus", "api"]

[services.api]
command = ["${bin.python}", "-I", "-S", "${root}/api.py", "${port.http}", "${root}/received"]
ports = { http = 18000 }
metrics = "/metrics"
alert = { name = "LongQueue", expression = "queue_length > 5", severity = "page" }

[services.alertmanager.options]
route = { receiver = "api" }
receivers = [{ name = "api", webhook_configs = [{ url = "${api.url?}/hook" }] }]
"""


def test_without_settings_nothing_is_sent_and_the_groups_are_fast_in_tests() -> None:
    assert written(made("alertmanager", **entry("alertmanager").defaults["test"])) == {
        "route": {"receiver": "none", "group_wait": "0ms", "group_interval": "1000ms"},
        "receivers": [{"name": "none"}],
    }


def test_options_replace_the_receivers_and_keep_the_times_of_the_route() -> None:
    configuration = written(
        made("alertmanager", options={"route": {"receiver": "team"}, "receivers": [{"name": "team"}]})
    )

    assert configuration == {
        "route": {"receiver": "team", "group_wait": "5000ms", "group_interval": "60000ms"},
        "receivers": [{"name": "team"}],
    }


def test_it_listens_on_its_port_only() -> None:
    flags = options(made("alertmanager"))

    assert flags["web.listen-address"] == "${host}:${port.http}"
    assert flags["cluster.listen-address"] == ""


def test_a_metrics_store_sends_its_alerts_to_it(project: Project) -> None:
    project.write("use = ['prometheus', 'alertmanager']\n")

    alone = project.resolve("prometheus").plan

    assert written(next(spec for spec in alone.services if spec.name == "prometheus"))["alerting"] == {
        "alertmanagers": [
            {"static_configs": [{"targets": ["${alertmanager.host?}:${alertmanager.http_port?}"]}]}
        ]
    }
    assert [spec.name for spec in alone.providers("alert-sink")] == ["alertmanager"]


def test_the_program_is_installed_only_with_its_template() -> None:
    (source,) = recipes.kit()["alertmanager"].sources

    assert isinstance(source, Debian)
    assert source.mounts_required


@pytest.mark.real("alertmanager", "prometheus")
def test_a_real_alert_of_a_service_reaches_a_receiver(tmp_path: Path) -> None:
    (tmp_path / "api.py").write_text(API, encoding="utf-8")
    (tmp_path / "infra.toml").write_text(STACK, encoding="utf-8")
    received = tmp_path / "received"

    with infra.start("prometheus", environment="test", directory=tmp_path, data=tmp_path / "data") as stack:
        until(received.exists, PATIENCE)
        until(lambda: received.read_bytes().endswith(b"\n"))
        with urllib.request.urlopen(f"{stack.alertmanager.url}/api/v2/alerts", timeout=60) as answer:
            (alert,) = json.load(answer)

    message: dict[str, Any] = json.loads(received.read_text(encoding="utf-8").splitlines()[0])
    assert message["status"] == "firing"
    assert [item["labels"] for item in message["alerts"]] == [alert["labels"]]
    assert alert["labels"]["alertname"] == "LongQueue"
    assert (alert["labels"]["service"], alert["labels"]["severity"]) == ("api", "page")
