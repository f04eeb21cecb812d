"""The dashboard: its spec, and the real process with its supervisor."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import infra_runtime as infra
from fakes.command_line import service
from fakes.engine import spec_of
from fakes.stacks import services_of, until
from infra_runtime.engines.local.stack import Stack
from infra_runtime.manifest import DASHBOARD

#: seconds that the dashboard has for an answer
PATIENCE = 180.0


def test_the_dashboard_starts_at_the_first_connection_and_has_no_container() -> None:
    spec = spec_of("dashboard")

    assert spec.starts_on_connection
    assert spec.ready is None
    assert spec.container is None
    assert spec.ports == DASHBOARD.ports == {"http": 1337}
    assert spec.ports_may_vary
    assert not spec_of("dashboard", ports={"http": 1337}).ports_may_vary


def test_the_dashboard_has_its_own_host_name_and_a_secret_key() -> None:
    spec = spec_of("dashboard")

    assert spec.exports["url"] == "http://${stack.service}.localhost:${port.http}"
    assert "key" in spec.sensitive
    assert not [word for word in spec.command if "secret" in word]


# --- the real server -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A dashboard, and two services with one dependency."""
    folder = tmp_path_factory.mktemp("shop")
    text = service("db") + service("api", ports="{ main = 18441 }", needs='["db"]')
    (folder / "infra.toml").write_text(f'use = ["db", "api", "dashboard"]\n{text}', encoding="utf-8")
    with infra.start(environment="test", directory=folder, data=folder / "data") as stack:
        yield stack


def ask(stack: Stack, path: str, method: str = "GET", **headers: str) -> tuple[int, Any]:
    """Send a request with the key of the service; return the status and the JSON of the answer."""
    dashboard = stack.dashboard
    connection = http.client.HTTPConnection("127.0.0.1", int(dashboard["port"]), timeout=PATIENCE)
    connection.request(method, path, headers={"x-dashboard-key": dashboard["key"], **headers})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, json.loads(body)


def phases(stack: Stack) -> dict[str, str]:
    return {item["name"]: item["phase"] for item in ask(stack, "/api/v1/services")[1]["items"]}


@pytest.mark.real("dashboard")
def test_a_real_dashboard_shows_and_stops_a_service_of_its_stack(stack: Stack) -> None:
    before = phases(stack)
    status, outcome = ask(stack, "/api/v1/services/db/stop", "POST")
    after = phases(stack)
    ask(stack, "/api/v1/services/db/start", "POST")

    assert before == {"db": "ready", "api": "ready", "dashboard": "ready"}
    assert (status, outcome["failures"]) == (200, [])
    assert after == {**before, "db": "stopped"}
    assert phases(stack) == before


@pytest.mark.real("dashboard")
def test_a_real_dashboard_shows_logs_settings_and_events(stack: Stack) -> None:
    lines = ask(stack, "/api/v1/logs?service=db")[1]["items"]
    connection = http.client.HTTPConnection("127.0.0.1", int(stack.dashboard["port"]), timeout=PATIENCE)
    connection.request("GET", "/services/db", headers={"x-dashboard-key": stack.dashboard["key"]})
    page = connection.getresponse().read().decode()
    connection.close()

    assert "server on" in lines[0]["text"]
    assert "infra.toml:" in page
    assert "spawned" in page
    assert stack.dashboard["key"] not in page


@pytest.mark.real("dashboard")
def test_the_files_of_a_real_dashboard_are_private(stack: Stack) -> None:
    ask(stack, "/api/v1/login-links", "POST")

    files = [path for path in (services_of(stack.data) / "dashboard").rglob("*") if path.is_file()]

    assert {"key.secret", "audit.jsonl"} <= {path.name for path in files}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


@pytest.mark.real("dashboard")
def test_a_dashboard_whose_port_is_taken_gets_another_port(tmp_path: Path) -> None:
    (tmp_path / "infra.toml").write_text('use = ["dashboard"]\n', encoding="utf-8")
    with contextlib.ExitStack() as opened:
        with contextlib.suppress(OSError):  # another process uses the port already
            opened.enter_context(socket.create_server(("127.0.0.1", 1337)))
        stack = opened.enter_context(
            infra.start(environment="development", directory=tmp_path, data=tmp_path / "data")
        )

        assert stack.dashboard["port"] != "1337"
        assert stack.dashboard["url"] == f"http://dashboard.localhost:{stack.dashboard['port']}"
        assert ask(stack, "/health") == (200, {"status": "ok"})


@pytest.mark.real("dashboard")
def test_a_killed_dashboard_starts_again_and_affects_no_other_service(stack: Stack) -> None:
    before = stack.status().services
    ask(stack, "/health")
    pid = stack.status().services["dashboard"].pid

    os.kill(pid, signal.SIGKILL)
    until(lambda: ask_quietly(stack) == 200)

    after = stack.status().services
    assert [(service.name, service.pid) for service in after if service.name != "dashboard"] == [
        (service.name, service.pid) for service in before if service.name != "dashboard"
    ]


@pytest.mark.real("dashboard")
def test_a_stop_with_an_open_stream_is_quick(stack: Stack) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", int(stack.dashboard["port"]), timeout=PATIENCE)
    connection.request("GET", "/stream/services", headers={"x-dashboard-key": stack.dashboard["key"]})
    stream = connection.getresponse()
    while not (line := stream.readline()).startswith(b"event: parts"):
        assert line, "the stream has ended"

    stack.stop("dashboard")

    with contextlib.suppress(http.client.IncompleteRead):  # on a busy machine, the grace time was too short
        stream.read()
    log = Path(stack.data, "logs", "dashboard.log").read_text(encoding="utf-8")
    connection.close()
    stack.start("dashboard")
    assert "Traceback" not in log, log


def ask_quietly(stack: Stack) -> int:
    """Return the status of the answer of the dashboard; 0 if the connection is lost."""
    try:
        return ask(stack, "/health")[0]
    except (OSError, http.client.HTTPException):
        return 0
