from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from fakes.project import Project
from infra_runtime.services import nats, resp
from infra_runtime.spec import (
    Exchange,
    ExecProbe,
    Expect,
    HttpProbe,
    LengthPrefix,
    PostgresProbe,
    Send,
    ServiceSpec,
    StopStep,
    TcpProbe,
)


@pytest.fixture
def api(project: Project):
    """Return a function that makes the spec of a user's own service with the given lines."""

    def made(*lines: str) -> ServiceSpec:
        project.write("\n".join(["[services.api]", 'command = ["api"]', *lines]))
        return project.spec("api")

    return made


def test_a_service_with_only_a_command_is_ready_as_soon_as_its_process_runs(api) -> None:
    spec = api()

    assert (spec.command, spec.ready, spec.ports, spec.cwd) == (("api",), None, {}, "${root}")
    assert not spec.task


@pytest.mark.parametrize(
    ("setting", "cwd"),
    [("web", "${root}/web"), ("./web", "${root}/./web"), ("/srv", "/srv"), ("${data}/x", "${data}/x")],
)
def test_a_working_directory_is_relative_to_the_stack_file(api, setting, cwd) -> None:
    assert api(f"cwd = '{setting}'").cwd == cwd


def test_a_port_called_http_is_exported_as_a_url(api) -> None:
    exports = api("ports = { http = 8000, grpc = 8001 }").exports

    assert exports == {
        "host": "${host}",
        "port": "${port.http}",
        "http_port": "${port.http}",
        "grpc_port": "${port.grpc}",
        "url": "http://${host}:${port.http}",
    }


def test_exports_of_the_stack_file_replace_the_default_ones(api) -> None:
    exports = api(
        "ports = { http = 8000 }", 'exports = { url = "http://${host}:${port.http}/v1", v = "1" }'
    ).exports

    assert exports["url"].endswith("/v1")
    assert exports["v"] == "1"
    assert exports["port"] == "${port.http}"


@pytest.mark.parametrize(
    ("ready", "probe"),
    [
        ('{ http = "/health" }', HttpProbe(port="main", path="/health")),
        (
            '{ http = "health", status = [200, 204] }',
            HttpProbe(port="main", path="/health", status=(200, 204)),
        ),
        ('{ http = "/", contains = "ok" }', HttpProbe(port="main", path="/", contains="ok")),
        ("{ tcp = true }", TcpProbe(port="main")),
        ('{ exec = ["true"] }', ExecProbe(command=("true",))),
        ("{ nats = true }", replace(nats.PROTOCOL, port="main")),
        ("{ postgres = true }", PostgresProbe(port="main", user="postgres", database="postgres")),
        ("{ resp = true }", replace(resp.READY, port="main")),
    ],
)
def test_a_probe_uses_the_only_port(api, ready: str, probe: object) -> None:
    assert api("ports = { main = 8000 }", f"ready = {ready}").ready == probe


def test_an_exchange_is_a_list_of_steps(api) -> None:
    steps = """[
        { send = "PING\\\\r\\\\n" },
        { expect = "+PONG", not_yet = { "-WAIT" = "waits" }, until = "\\\\r\\\\n", limit = 100 },
        { expect = ["a", "b"], at = 4, length = { size = 2, order = "little", extra = 2 }, skip = "c" },
        { expect = [], contains = "ok" },
    ]"""

    spec = api("ports = { main = 8000 }", f"ready = {{ exchange = {steps}, timeout = 5 }}")

    assert spec.ready == Exchange(
        port="main",
        timeout=5,
        steps=(
            Send(text="PING\\r\\n"),
            Expect(prefixes=("+PONG",), not_yet={"-WAIT": "waits"}, until="\\r\\n", limit=100),
            Expect(
                prefixes=("a", "b"), at=4, until=LengthPrefix(size=2, order="little", extra=2), skip=("c",)
            ),
            Expect(contains="ok"),
        ),
    )


def test_a_probe_names_one_of_several_ports(api) -> None:
    spec = api("ports = { http = 8000, admin = 8001 }", 'ready = { http = "/", port = "admin" }')

    assert spec.ready == HttpProbe(port="admin", path="/")


def test_without_ready_the_probe_checks_the_first_port(api) -> None:
    assert api("ports = { main = 8000 }").ready == TcpProbe(port="main")


def test_a_task_has_no_probe_and_is_not_restarted(api) -> None:
    spec = api("task = true", "ports = { main = 8000 }")

    assert (spec.task, spec.restart, spec.ready) == (True, "never", None)


def test_a_number_in_the_environment_becomes_text(api) -> None:
    env = api("env = { PORT = 8000, RATIO = 0.5 }").env

    assert (env["PORT"], env["RATIO"]) == ("8000", "0.5")


@pytest.mark.parametrize(
    "text",
    [
        '{ signal = "SIGINT", seconds = 3 }',
        '{ signal = "int", seconds = 3 }',
        '[{ signal = "INT", seconds = 3 }]',
    ],
)
def test_stop_can_be_a_single_step(api, text: str) -> None:
    assert api(f"stop = {text}").stop == (StopStep(signal=signal.SIGINT, seconds=3.0),)


def test_stop_can_have_several_steps(api) -> None:
    spec = api('stop = [{ signal = "SIGINT" }, { signal = "SIGTERM", seconds = 1 }]')

    assert [step.signal for step in spec.stop] == [signal.SIGINT, signal.SIGTERM]


def test_a_stop_signal_can_be_limited_to_the_first_process(api) -> None:
    assert api("").stop[0].group
    assert not api("stop = { group = false }").stop[0].group


def test_a_single_need_can_be_a_text(api) -> None:
    assert api('needs = "postgres"').needs == ("postgres",)


def test_watch_patterns_reach_the_spec(api) -> None:
    assert api('watch = ["src/**/*.py"]').watch == ("src/**/*.py",)


def test_a_probe_is_replaced_as_a_whole_by_an_overlay(project: Project) -> None:
    project.write(
        '[services.api]\ncommand = ["api"]\nports = { main = 8000 }\nready = { http = "/" }\n'
        "[environment.test.services.api]\nready = { tcp = true }\n"
    )

    assert project.spec("api", environment="test").ready == TcpProbe(port="main")
