"""Grafana: its data source and its dashboards are files of the plan, and the real server loads them."""

from __future__ import annotations

import base64
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import infra_runtime as infra
from fakes.project import Project
from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.spec import ServiceSpec, WriteFile

STACK = """
use = ["postgres", "api", "grafana"]
[services.postgres-exporter]
[services.api]
command = ["api"]
ports = { http = 8000 }
metrics = "/metrics"
"""


def files(spec: ServiceSpec) -> dict[str, Any]:
    """Return a mapping from path below the provisioning folder to content."""
    folder = "${data}/provisioning/"
    steps = [step for step in spec.prepare if isinstance(step, WriteFile)]
    return {step.path.removeprefix(folder): json.loads(step.text) for step in steps}


def test_the_dashboards_are_those_of_the_services_in_the_stack(project: Project) -> None:
    project.write(STACK)

    plan = project.resolve("grafana").plan

    (spec,) = [spec for spec in plan.services if spec.name == "grafana"]
    content = files(spec)
    (source,) = content["datasources/infra.yaml"]["datasources"]
    (provider,) = content["dashboards/infra.yaml"]["providers"]
    dashboards = {path for path in content if path.startswith("dashboards/json/")}
    assert source["url"] == "${prometheus.url}"
    assert provider["options"]["path"] == "${data}/provisioning/dashboards/json"
    assert dashboards == {f"dashboards/json/infra-{name}.json" for name in ("api", "business", "postgresql")}
    assert {spec.name for spec in plan.services} >= {"prometheus", "api", "postgres-exporter"}


def test_the_container_has_the_same_dashboards_in_its_folder(project: Project) -> None:
    project.write(STACK)
    spec = project.spec("grafana")
    assert spec.container is not None

    names = {path.rpartition("/")[2] for path in spec.container.files}

    assert names == {path.rpartition("/")[2] for path in files(spec)}
    assert spec.container.env["GF_PATHS_PROVISIONING"] == "/etc/grafana/infra"


def test_nothing_is_sent_to_the_vendor_and_options_are_variables(project: Project) -> None:
    project.write('[services.grafana]\noptions = { "users.default_theme" = "light" }\n')

    env = project.spec("grafana").env

    assert env["GF_ANALYTICS_REPORTING_ENABLED"] == env["GF_ANALYTICS_CHECK_FOR_UPDATES"] == "false"
    assert env["GF_USERS_DEFAULT_THEME"] == "light"
    assert env["GF_SERVER_HTTP_ADDR"] == "${host}"


@pytest.mark.real("grafana", "prometheus", "node-exporter")
def test_a_real_server_loads_the_data_source_and_the_dashboards(tmp_path: Path) -> None:
    (tmp_path / "infra.toml").write_text("use = ['grafana', 'node-exporter']\n", encoding="utf-8")

    with infra.start(environment="test", directory=tmp_path, data=tmp_path / "data") as stack:
        (source,) = ask(stack.grafana, "/api/datasources")
        dashboards = ask(stack.grafana, "/api/search?type=dash-db")

    assert (source["type"], source["url"]) == ("prometheus", stack.prometheus.url)
    assert [dashboard["uid"] for dashboard in dashboards] == ["infra-resources"]


def ask(server: Endpoint, path: str) -> Any:
    login = base64.b64encode(f"{server.user}:{server.password}".encode()).decode()
    request = urllib.request.Request(server.url + path, headers={"Authorization": f"Basic {login}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
