"""Alertmanager: its configuration, and an alert on its way from a service over Prometheus to a receiver."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import infra_runtime as infra
from fakes.engine import configuration_of, options, spec_of
from fakes.project import Project
from fakes.stacks import until
from infra_runtime.binaries import recipes
from infra_runtime.binaries.recipe import Debian
from infra_runtime.catalogue import entry
from infra_runtime.engines.local.stack import Stack

PATIENCE = 180.0
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


#: a service that exits is not started again
RECEIVING = """
use = ["prometheus", "alertmanager", "telemetry", "mail", "api"]

[services.api]
command = ["${bin.python}", "-I", "-S", "${root}/api.py", "${port.http}", "${root}/received"]
ports = { http = 18000 }
metrics = "/metrics"
restart = "never"

[services.prometheus.thresholds]
after = 0
"""
GROUPS = ["service", "alertname"]


def test_without_settings_nothing_is_sent_and_the_groups_are_fast_in_tests() -> None:
    configuration = configuration_of(spec_of("alertmanager", **entry("alertmanager").defaults["test"]))

    assert configuration["receivers"] == [{"name": "none"}]
    assert configuration["route"] == {
        "receiver": "none",
        "group_by": GROUPS,
        "group_wait": "0ms",
        "group_interval": "1000ms",
    }


def test_each_service_of_the_stack_that_receives_alerts_is_part_of_the_receiver(project: Project) -> None:
    project.write(
        "use = ['alertmanager', 'mail', 'telemetry']\n[services.alertmanager]\nmail_to = 'a@b.test'\n"
    )

    plan = project.resolve("alertmanager").plan

    specs = {spec.name: spec for spec in plan.services}
    configuration = configuration_of(specs["alertmanager"])
    assert configuration["route"]["receiver"] == "stack"
    (receiver,) = configuration["receivers"]
    (mail,) = receiver["email_configs"]
    (webhook,) = receiver["webhook_configs"]
    assert (mail["to"], mail["smarthost"]) == ("a@b.test", "${mail.host?}:${mail.smtp_port?}")
    assert webhook["url"] == "http://${telemetry.host?}:${telemetry.query_port?}/api/v1/alerts"
    assert webhook["http_config"]["authorization"] == {"credentials": "${telemetry.key?}"}
    assert specs["telemetry"].command[-1] == (
        "--alert-sink=http://${alertmanager.host?}:${alertmanager.http_port?}"
    )


def test_a_critical_alert_suppresses_the_warning_of_the_same_service() -> None:
    (rule,) = configuration_of(spec_of("alertmanager"))["inhibit_rules"]

    assert rule["source_matchers"] == ['severity="critical"']
    assert rule["target_matchers"] == ['severity="warning"']
    assert set(rule["equal"]) == {"alertname", "service"}


def test_options_replace_the_receivers_and_keep_the_times_of_the_route() -> None:
    configuration = configuration_of(
        spec_of("alertmanager", options={"route": {"receiver": "team"}, "receivers": [{"name": "team"}]})
    )

    assert configuration["receivers"] == [{"name": "team"}]
    assert configuration["route"] == {
        "receiver": "team",
        "group_by": GROUPS,
        "group_wait": "5000ms",
        "group_interval": "60000ms",
    }


def test_alertmanager_listens_on_its_port_only() -> None:
    flags = options(spec_of("alertmanager"))

    assert flags["web.listen-address"] == "${host}:${port.http}"
    assert flags["cluster.listen-address"] == ""


def test_a_metrics_store_sends_its_alerts_to_alertmanager(project: Project) -> None:
    project.write("use = ['prometheus', 'alertmanager']\n")

    alone = project.resolve("prometheus").plan

    assert configuration_of(next(spec for spec in alone.services if spec.name == "prometheus"))[
        "alerting"
    ] == {
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


@pytest.fixture(scope="module")
def receiving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose alerts reach the telemetry service and the inbox without further settings."""
    folder = tmp_path_factory.mktemp("receiving")
    (folder / "api.py").write_text(API, encoding="utf-8")
    (folder / "infra.toml").write_text(RECEIVING, encoding="utf-8")
    with infra.start(environment="test", directory=folder, data=folder / "data") as stack:
        yield stack


@pytest.mark.real("alertmanager", "prometheus", "telemetry", "mail")
def test_a_killed_service_is_an_alert_in_alertmanager_in_telemetry_and_in_the_inbox(receiving: Stack) -> None:
    receiving.crash("api")

    (stored,) = stored_alerts(receiving, "ServiceDown")

    (alert,) = answer(f"{receiving.alertmanager.url}/api/v2/alerts?filter=alertname=ServiceDown")
    assert alert["labels"] == stored["labels"]
    assert (stored["service"], stored["severity"], stored["status"]) == ("api", "critical", "firing")
    assert stored["annotations"]["summary"].startswith("api does not answer")
    (mail,) = mails(receiving, "ServiceDown")
    assert mail["recipients"] == ["alerts@example.test"]


@pytest.mark.real("alertmanager", "prometheus", "telemetry", "mail")
def test_1000_equal_errors_are_one_alert_and_a_new_kind_is_reported_at_once(receiving: Stack) -> None:
    export(receiving, [f"order {number} failed" for number in range(400)])
    export(receiving, [f"order {number} failed" for number in range(400, 1000)])
    stored_alerts(receiving, "Error", type="OrderError")

    export(receiving, ["no more stock"], exception="StockError")
    stored_alerts(receiving, "Error", type="StockError")

    groups = {
        group["type"]: group["count"]
        for group in answer(
            f"{receiving.telemetry['query_url']}/api/v1/errors", key=receiving.telemetry["key"]
        )["items"]
    }
    alerts = answer(f"{receiving.alertmanager.url}/api/v2/alerts?filter=alertname=Error")
    assert groups == {"OrderError": 1000, "StockError": 1}
    assert sorted(alert["labels"]["type"] for alert in alerts) == ["OrderError", "StockError"]


def export(stack: Stack, messages: list[str], exception: str = "OrderError") -> None:
    """Send log records about exceptions to the telemetry service."""
    records = [
        {
            "severityNumber": 17,
            "body": {"stringValue": "the request failed"},
            "attributes": [
                {"key": "exception.type", "value": {"stringValue": exception}},
                {"key": "exception.message", "value": {"stringValue": message}},
            ],
        }
        for message in messages
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    logs = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": records}]}]}
    answer(f"{stack.telemetry.url}/v1/logs", logs, key=stack.telemetry["key"])


def stored_alerts(stack: Stack, name: str, **labels: str) -> list[dict[str, Any]]:
    """Wait until the telemetry service has alerts with a name and labels, and return them."""
    url = f"{stack.telemetry['query_url']}/api/v1/alerts?name={name}&status=firing"

    def matching() -> list[dict[str, Any]]:
        items = answer(url, key=stack.telemetry["key"])["items"]
        return [item for item in items if labels.items() <= item["labels"].items()]

    until(matching, PATIENCE)
    return matching()


def mails(stack: Stack, name: str) -> list[dict[str, Any]]:
    """Wait until the inbox has mails about the alert, and return them."""
    url = f"{stack.mail['inbox_url']}/api/messages?subject={name}"
    until(lambda: answer(url)["messages"], PATIENCE)
    messages: list[dict[str, Any]] = answer(url)["messages"]
    return messages


def answer(url: str, body: object = None, *, key: str = "") -> Any:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None, headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)
