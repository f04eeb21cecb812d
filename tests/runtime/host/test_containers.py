"""The command lines of the container engine, and the removal of a stack's containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.container_engine import ContainerEngine
from infra_runtime.host import containers

DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture
def engine(tmp_path: Path) -> ContainerEngine:
    return ContainerEngine(tmp_path / "engine")


@pytest.mark.parametrize(
    ("image", "qualified"),
    [
        ("redis:8", "docker.io/library/redis:8"),
        ("acme/search", "docker.io/acme/search"),
        ("ghcr.io/acme/search:1", "ghcr.io/acme/search:1"),
        ("localhost/search", "localhost/search"),
        ("registry:5000/search:1", "registry:5000/search:1"),
    ],
)
def test_a_short_name_is_completed_as_by_docker(image: str, qualified: str) -> None:
    assert containers.qualified(image) == qualified


@pytest.mark.parametrize(
    ("image", "digest", "pinned"),
    [
        ("ghcr.io/a/b:1", "", "ghcr.io/a/b:1"),
        ("ghcr.io/a/b:1", DIGEST, f"ghcr.io/a/b@{DIGEST}"),
        ("host:5000/b", DIGEST, f"host:5000/b@{DIGEST}"),
        (f"ghcr.io/a/b:1@{DIGEST}", "", f"ghcr.io/a/b@{DIGEST}"),
        (f"ghcr.io/a/b@{DIGEST}", f"sha256:{'b' * 64}", f"ghcr.io/a/b@{DIGEST}"),
    ],
)
def test_a_digest_replaces_the_tag(image: str, digest: str, pinned: str) -> None:
    assert containers.pinned(image, digest) == pinned


def test_a_container_is_labelled_published_on_loopback_and_removed_at_its_end() -> None:
    command = containers.run(
        "/usr/bin/podman",
        "ghcr.io/a/b:1",
        variables=("PASSWORD",),
        values={"HOME": "/srv"},
        published={"http": 80},
        mounts=[containers.mount("/a", "/b", writable=False)],
        options=("--memory=64m",),
        entrypoint="/bin/sh",
        command=("-c", "true"),
    )

    assert command == (
        *("/usr/bin/podman", "run", "--rm", "--pull=never"),
        "--name=infra-${stack.token}-${stack.service}",
        "--label=pytest-infra.stack=${stack.token}",
        "--label=pytest-infra.service=${stack.service}",
        *("--log-driver=none", "--no-healthcheck", "--security-opt=no-new-privileges", "--stop-timeout=0"),
        "--publish=${host}:${port.http}:80",
        *("--env=PASSWORD", "--env=HOME=/srv", "--mount=type=bind,source=/a,target=/b,readonly"),
        *("--memory=64m", "--entrypoint=/bin/sh", "ghcr.io/a/b:1", "-c", "true"),
    )


def test_a_container_can_use_the_network_of_the_machine() -> None:
    command = containers.run("podman", "a")

    assert "--network=host" in command
    assert not [word for word in command if word.startswith("--publish")]


def test_the_client_gets_only_its_own_variables() -> None:
    environ = {"HOME": "/root", "DOCKER_HOST": "unix:///run/d", "INFRA_STACK_TOKEN": "t", "PASSWORD": "p"}

    assert containers.client_environment(environ) == {"HOME": "/root", "DOCKER_HOST": "unix:///run/d"}


@pytest.mark.process
def test_only_containers_with_the_token_of_the_stack_are_removed(engine: ContainerEngine) -> None:
    engine.add_container("foreign")
    engine.add_container("other-stack", "pytest-infra.stack=2", "pytest-infra.service=api")
    engine.add_container("api", "pytest-infra.stack=1", "pytest-infra.service=api")
    engine.add_container("db", "pytest-infra.stack=1", "pytest-infra.service=db")

    assert containers.remove(str(engine.path), "1", "api") == []
    assert engine.containers == ["db", "foreign", "other-stack"]
    assert containers.left(str(engine.path), "1") == ["container db"]
    assert containers.remove(str(engine.path), "1") == []
    assert engine.containers == ["foreign", "other-stack"]


@pytest.mark.process
def test_an_engine_that_cannot_list_containers_is_reported(tmp_path: Path) -> None:
    broken = tmp_path / "docker"
    broken.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    broken.chmod(0o755)
    problem = f"containers that {broken} does not list (Cannot connect to the Docker daemon)"

    assert containers.left(str(broken), "1") == [problem]
    assert containers.remove(str(broken), "1") == [problem]
    assert containers.left(str(tmp_path / "ghost"), "1") == [
        f"containers that {tmp_path}/ghost does not list (No such file or directory)"
    ]
