from __future__ import annotations

import json
import urllib.request

import pytest

from fakes.engine import options
from fakes.project import Project
from infra_runtime.spec import WriteFile


@pytest.mark.parametrize("names", [(), ("prometheus",)])
def test_an_exporter_without_a_table_is_a_job_of_a_metrics_store(
    project: Project, names: tuple[str, ...]
) -> None:
    project.write("use = ['prometheus', 'node-exporter']\n")
    (store,) = [
        spec for spec in project.resolve(*names).plan.services if spec.exports.get("jobs") == "node-exporter"
    ]

    files = {step.path: step.text for step in store.prepare if isinstance(step, WriteFile)}
    (job,) = json.loads(files["${data}/prometheus.yml"])["scrape_configs"]

    assert job["static_configs"] == [{"targets": ["${node-exporter.host?}:${node-exporter.http_port?}"]}]


def test_options_are_flags(project: Project) -> None:
    project.write("[services.node-exporter.options]\n'log.level' = 'error'\n")

    assert options(project.spec("node-exporter"))["log.level"] == "error"


@pytest.mark.real("node-exporter")
def test_a_real_exporter_shows_the_machine_without_collectors_that_fail_everywhere(run) -> None:
    stack = run("node-exporter")

    with urllib.request.urlopen(stack["node-exporter"]["metrics_url"], timeout=60) as answer:
        text = answer.read().decode()

    assert "\nnode_memory_MemTotal_bytes " in text
    assert 'collector="cpu"} 1' in text
    assert "systemd" not in text
    assert "textfile" not in text
