"""`infra runtime up` and `down` with services that run in containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.command_line import CommandLine
from fakes.container_engine import ContainerEngine
from fakes.stacks import kill_both

pytestmark = pytest.mark.process
IMAGE = "ghcr.io/acme/search:1.2"
DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture
def engine(tmp_path: Path, infra: CommandLine) -> ContainerEngine:
    """An engine that can pull the image of the stack."""
    engine = ContainerEngine(tmp_path / "engine")
    infra.environ["INFRA_CONTAINER_ENGINE"] = str(engine.path)
    infra.environ.pop("CI", None)
    engine.publish(IMAGE, DIGEST)
    infra.write(
        f"use = ['search']\n[services.search]\nimage = '{IMAGE}'\nports = {{ http = 19201 }}\n"
        "container_ports = { http = 80 }\n"
    )
    return engine


def test_a_missing_image_is_not_downloaded_without_permission(
    infra: CommandLine, engine: ContainerEngine
) -> None:
    answer = infra("runtime", "up", "--detach")

    assert answer.code == 16
    assert f"search: the image {IMAGE} is not on this machine" in answer.err
    assert "downloads the image." in answer.err
    assert engine.calls("pull") == []


def test_a_missing_image_is_downloaded_and_locked(infra: CommandLine, engine: ContainerEngine) -> None:
    answer = infra("runtime", "up", "--detach", environ={"INFRA_INSTALL": "1"})
    down = infra("runtime", "down")

    assert answer.code == 0, answer
    assert "installing the missing images of this stack:" in answer.err
    assert f"Trying to pull {IMAGE}" in answer.err
    assert DIGEST in (infra.root / "infra.lock").read_text()
    assert engine.calls("run")[0][-1] == f"ghcr.io/acme/search@{DIGEST}"
    assert down.code == 0, down
    assert engine.containers == []


def test_a_terminal_is_asked_before_the_download(infra: CommandLine, engine: ContainerEngine) -> None:
    code, screen = infra.in_terminal(
        "runtime", "up", "--detach", type_after={"Download them with podman?": "y\n"}
    )

    assert code == 0, screen
    assert "this stack needs images that are missing:" in screen
    assert engine.calls("pull") == [["pull", IMAGE]]


def test_down_removes_the_containers_of_a_killed_stack(infra: CommandLine, engine: ContainerEngine) -> None:
    engine.add_image(IMAGE)
    assert infra("runtime", "up", "--detach").code == 0
    kill_both(infra.data, infra("runtime", "status", "--json").json["pid"])
    assert len(engine.containers) == 1

    answer = infra("runtime", "down")

    assert answer.code == 0, answer
    assert "1 container that remained of the stack" in answer.out
    assert engine.containers == []
