"""The exporter of NATS: the spec, and a real server whose connections are counted."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from fakes.engine import spec_of
from fakes.project import Project
from fakes.stacks import until


def test_the_target_is_in_the_plan_and_is_ready_first(project: Project) -> None:
    project.write("use = ['nats-exporter']\n")

    assert project.names() == ["nats", "nats-exporter"]
    assert project.spec("nats-exporter").all_needs() == ("nats",)


def test_the_path_of_the_monitor_is_in_the_environment_only() -> None:
    spec = spec_of("nats-exporter", target="queue", env={"A": "b"})

    assert spec.env == {"NATS_MONITOR_URL": "${queue.monitor_url}", "A": "b"}
    assert not [word for word in spec.command if "queue" in word]


@pytest.mark.real("nats-exporter", "nats")
def test_a_real_exporter_shows_the_connections_of_its_target(project: Project, run: Any) -> None:
    project.write("use = ['nats', 'nats-exporter']\ntelemetry = false\ndashboard = false\n")
    stack = run("nats-exporter")
    url = stack["nats-exporter"]["metrics_url"]

    def metrics() -> str:
        with urllib.request.urlopen(url, timeout=60) as answer:
            text: str = answer.read().decode()
        return text

    before = metrics()
    with socket.create_connection((stack.nats.host, stack.nats.port)) as connection:
        connection.recv(1)
        until(lambda: "\ngnatsd_varz_connections 1\n" in metrics())

    assert "\ngnatsd_varz_connections 0\n" in before
    assert "\ngnatsd_varz_jetstream_stats_storage " in before
    (pid,) = [service.pid for service in stack.status().services if service.name == "nats-exporter"]
    secret = stack.nats["monitor_url"].rpartition("/")[2]
    assert secret
    assert secret.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert secret not in before
    stack.stop("nats")
    with pytest.raises(urllib.error.HTTPError, match="503"):
        metrics()
