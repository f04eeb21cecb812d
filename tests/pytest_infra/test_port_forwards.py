"""The option `--infra-engine kubernetes`, with a program in place of kubectl."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from fakes.kubectl import FakeCluster, pod
from fakes.stacks import until
from fakes.suite import Suite

pytestmark = pytest.mark.process

STACK = """\
use = ["api", "caddy"]
telemetry = false
dashboard = false
[services.api]
command = ["serve"]
ports = { http = 8000 }
ready = { http = "/" }
"""
CONFTEST = """\
from infra_runtime.engines.kubernetes import forwarding
from infra_runtime.engines.kubernetes.live.kubectl import Kubectl

def kubectl(namespace, context):
    return Kubectl(program="{program}", namespace=namespace, context=context)

forwarding.kubectl = kubectl
"""
TEST = """\
import urllib.request

def answer(api):
    with urllib.request.urlopen(api.url, timeout=60) as reply:
        return reply.read()
"""
KUBERNETES = ("--infra-engine", "kubernetes")


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the name in the base class
        """Print nothing."""


@pytest.fixture
def server() -> Iterator[int]:
    """The port of a server in place of the program in a pod."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as http_server:
        threading.Thread(target=http_server.serve_forever, daemon=True).start()
        yield http_server.server_address[1]
        http_server.shutdown()


@pytest.fixture
def cluster(suite: Suite, server: int, tmp_path: Path) -> FakeCluster:
    """A cluster with the stack of the project, whose pods are the server."""
    fake_cluster = FakeCluster(tmp_path / "cluster")
    fake_cluster.serve(p8000=server, p8080=server, p8443=server)
    fake_cluster.deploy("api", pod("api-1"))
    (suite.root / "infra.toml").write_text(STACK)
    (suite.root / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    (suite.root / "conftest.py").write_text(CONFTEST.format(program=fake_cluster.program))
    return fake_cluster


def _alive(cluster: FakeCluster) -> list[int]:
    return [pid for pid, *_ in cluster.forwards() if psutil.pid_exists(pid)]


def test_a_lost_pod_is_replaced_on_the_same_port_and_nothing_is_left(
    suite: Suite, cluster: FakeCluster
) -> None:
    cluster.deploy("api", pod("api-2"))
    (cluster.folder / "objects.json").rename(cluster.folder / "next.json")
    cluster.deploy("api", pod("api-1"))
    suite.test(
        TEST
        + f"""
from pathlib import Path
import os, time
folder = Path({str(cluster.folder)!r})
ports = []

def test_first(api):
    assert answer(api) == b"ok"
    ports.append(api.port)
    (folder / "next.json").replace(folder / "objects.json")
    with (folder / "api-1.watch").open("a") as file:
        file.write("DELETED||True\\n")
    deadline = time.monotonic() + 60
    while "api-2" not in (folder / "forwards").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)

def test_second(api, infra_service):
    assert answer(api) == b"ok"
    assert [api.port, infra_service("api").port] == ports * 2
    assert os.environ["INFRA_ENV"] == "test"
"""
    )

    result = suite.run(*KUBERNETES)

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["infra: 1 service, *; 0 processes, 0 ports, 0 sockets left"])
    assert [name for _, name in cluster.forwards()] == ["api-1", "api-2"]
    assert _alive(cluster) == []
    assert suite.processes() == []
    log = (suite.root / ".data-test/plan-kubernetes/logs/api.log").read_text()
    assert "the pod api-1 was deleted in the namespace shop; another pod is chosen" in log


def test_workers_share_the_port_forward(suite: Suite, cluster: FakeCluster) -> None:
    suite.with_plugins("xdist")
    mark = "import pytest\n@pytest.mark.parametrize('number', range(4))\n"
    suite.test(f"{TEST}\n{mark}def test_it(api, number):\n    assert answer(api) == b'ok'\n")

    result = suite.run(*KUBERNETES, "-n", "2")

    result.assert_outcomes(passed=4)
    assert [name for _, name in cluster.forwards()] == ["api-1"]
    assert _alive(cluster) == []


def test_no_port_forward_survives_a_killed_session(suite: Suite, cluster: FakeCluster) -> None:
    suite.test("import time\ndef test_it(api):\n    time.sleep(600)\n")
    running = suite.begin(*KUBERNETES)
    until(cluster.forwards)

    os.kill(running.pid, signal.SIGKILL)
    running.wait()

    until(lambda: not _alive(cluster))
    assert suite.await_end() == []


def test_errors_name_the_service_the_namespace_the_pod_and_the_fix(
    suite: Suite, cluster: FakeCluster
) -> None:
    cluster.deploy("api", pod("api-1", ready=False, waiting="ImagePullBackOff"))
    cluster.deploy("caddy", pod("caddy-1"))
    suite.test(
        "def test_pod(api): ...\ndef test_isolation(caddy): ...\n"
        "def test_reach(infra_service): infra_service('telemetry')\n"
    )

    result = suite.run(*KUBERNETES, "--infra-namespace", "other", "-p", "no:cacheprovider")

    result.assert_outcomes(errors=2, failed=1)
    text = result.stdout.str()
    assert "api: Deployment/api in the namespace other: the pod api-1: ImagePullBackOff. See `kubectl" in text
    assert "`kubectl --namespace other describe pod api-1`" in text
    assert "caddy: the isolation 'host' needs the socket of its administration" in text
    assert (
        "a port-forward to telemetry in the cluster is not possible: its kind has no container image" in text
    )
    assert _alive(cluster) == []


@pytest.mark.parametrize(
    ("words", "variables", "problem"),
    [
        (
            (*KUBERNETES, "--infra-env", "production"),
            {},
            "infra_env: tests cannot use a stack of the environment",
        ),
        (
            (*KUBERNETES, "-o", "infra_variables=DATABASE_URL: postgres"),
            {},
            "infra_variables: a variable has a fixed address only with servers on this machine",
        ),
        ((*KUBERNETES, "--infra-env", "test"), {}, "deploy and choose one of development, staging"),
        (
            (),
            {"INFRA_ENGINE": "nomad"},
            "infra_engine: 'nomad' is not an engine; choose one of local, kubernetes",
        ),
    ],
)
def test_an_engine_or_environment_that_tests_cannot_use_is_a_usage_error(
    suite: Suite,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    variables: dict[str, str],
    problem: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    suite.test("def test_it(): ...")

    result = suite.run(*words)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert problem in result.stderr.str()


def test_the_variables_select_the_engine_and_have_priority_over_the_ini_file(
    suite: Suite, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.pytester.makeini("[pytest]\ninfra_engine = local\ninfra_namespace = ini\n")
    monkeypatch.setenv("INFRA_ENGINE", "kubernetes")
    monkeypatch.setenv("INFRA_NAMESPACE", "variable")
    suite.test(f"{TEST}\ndef test_it(api):\n    assert answer(api) == b'ok'\n")

    suite.run().assert_outcomes(passed=1)

    log = (suite.root / ".data-test/plan-kubernetes/logs/api.log").read_text()
    assert "to the pod api-1 in the namespace variable" in log
