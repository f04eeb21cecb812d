"""Services in containers: their life is that of other services, and no container is left."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.container_engine import ContainerEngine
from fakes.project import Project
from fakes.stacks import journal_events, kill, kill_both, spawned, until
from infra_runtime.config.resolve import resolve
from infra_runtime.data_directory import remains
from infra_runtime.data_directory.leak_check import check_leaks
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import raise_failures
from infra_runtime.engines.local.engine import LocalEngine
from infra_runtime.engines.local.stack import Stack
from infra_runtime.errors import ConfigurationError, LeftoverError

pytestmark = pytest.mark.process

STACK_FILE = """
use = ["search"]
[services.search]
image = "ghcr.io/acme/search:1.2"
ports = { http = 19200 }
container_ports = { http = 80 }
env = { API_KEY = "k-1", TEXT = "two\\nlines" }
ready = { http = "/" }
"""


@pytest.fixture
def engine(tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch) -> ContainerEngine:
    """An engine with the image, a foreign container, and a container of another stack."""
    engine = ContainerEngine(tmp_path / "engine")
    monkeypatch.setenv("INFRA_CONTAINER_ENGINE", str(engine.path))
    engine.add_image("ghcr.io/acme/search:1.2")
    engine.add_container("foreign")
    engine.add_container("other", "pytest-infra.stack=other", "pytest-infra.service=search")
    return engine


@pytest.fixture
def start(project, data: Path, engine: ContainerEngine) -> Iterator[Callable[[], Stack]]:
    """Return a function that starts the stack, as `infra_runtime.start` does."""
    stacks: list[Stack] = []
    project.write(STACK_FILE)

    def started() -> Stack:
        plan = resolve(directory=project.root, environment="test", data=data)
        stacks.append(LocalEngine().open(plan))
        raise_failures(stacks[-1].up(plan).failures)
        return stacks[-1]

    yield started
    for stack in stacks:
        stack.close()


def own(engine: ContainerEngine) -> list[str]:
    """Return the containers of the engine that the stack has started."""
    return [name for name in engine.containers if name not in {"foreign", "other"}]


def test_a_service_in_a_container_runs_and_leaves_nothing(start, engine, data) -> None:
    stack = start()
    url = stack.endpoints()["search"].url
    with urllib.request.urlopen(url, timeout=60) as answer:
        environ = json.load(answer)
    (argv,) = engine.calls("run")
    (token,) = [event.token for event in journal_events(data) if event.event == "up"]
    log = stack.status().services["search"].log

    stack.down()

    assert environ["API_KEY"] == "k-1"
    assert environ["TEXT"] == "two\nlines"
    assert environ["INFRA_STACK_TOKEN"] == token
    assert "k-1" not in " ".join(argv)
    assert f"--label=pytest-infra.stack={token}" in argv
    assert f"--name=infra-{token}-search" in argv
    assert f"--publish={url.removeprefix('http://')}:80" in argv
    assert "the container runs" in Path(log).read_text()
    assert engine.containers == ["foreign", "other"]
    assert check_leaks(Paths(str(data))).clean


def test_a_killed_client_leaves_no_container_and_the_service_starts_again(start, engine, data) -> None:
    stack = start()
    (pid,) = spawned(data)

    kill(pid)
    until(lambda: len(engine.calls("run")) == 2)
    stack.wait("search")

    assert len(own(engine)) == 1
    assert len(engine.calls("rm")) == 1
    stack.down()
    assert own(engine) == []


def test_a_container_is_not_paused_and_a_kill_leaves_no_container(start, engine, data) -> None:
    stack = start()

    with pytest.raises(ConfigurationError, match="search cannot be paused, because it runs in a container"):
        stack.pause("search")
    stack.kill("search")

    assert own(engine) == []
    assert stack.status().services["search"].phase == "stopped"


def test_the_guardian_removes_the_containers_of_a_killed_supervisor(start, engine, data) -> None:
    supervisor = start().status().pid

    os.kill(supervisor, signal.SIGKILL)

    until(lambda: not own(engine))
    assert engine.containers == ["foreign", "other"]


def test_the_next_clean_up_removes_what_supervisor_and_guardian_left(start, engine, data) -> None:
    paths = Paths(str(data))
    supervisor = start().status().pid
    kill_both(data, supervisor)
    (name,) = own(engine)

    leaks = check_leaks(paths)
    cleaned = remains.end_unsupervised(paths)

    assert leaks.containers == (f"container {name}",)
    assert "1 container" in str(leaks)
    assert cleaned.containers == 1
    assert engine.containers == ["foreign", "other"]
    assert check_leaks(paths).clean


def test_a_container_that_cannot_be_removed_is_a_leak(start, engine, data) -> None:
    stack = start()
    text = engine.path.read_text()
    engine.path.write_text(text.replace("def rm():", "def rm():\n    fail('device is busy')\ndef unused():"))
    (pid,) = spawned(data)
    kill(pid)
    until(lambda: engine.calls("rm"))

    with pytest.raises(LeftoverError) as caught:
        stack.down()

    leaks = check_leaks(Paths(str(data)))
    assert caught.value.left == ["container of search"]
    assert leaks.containers == tuple(f"container {name}" for name in own(engine))
    assert not leaks.clean
