"""A cluster for all tests of this folder, and an own namespace for each test: `tox run -e cluster`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.command_line import CommandLine
from fakes.control_plane import ControlPlane, control_plane
from fakes.deployed import Shop
from fakes.kubernetes_schemas import CUSTOM, definition


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Return a running cluster."""
    with control_plane(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="module")
def definitions(cluster: ControlPlane) -> Iterator[None]:
    """The cluster has the custom resources of all operators during the tests of a module."""
    definitions_of_operators = [definition(key) for key in CUSTOM]
    names = [f"crd/{resource['metadata']['name']}" for resource in definitions_of_operators]
    cluster.kubectl(
        "apply",
        "--filename=-",
        document={"apiVersion": "v1", "kind": "List", "items": definitions_of_operators},
    )
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=120s", *names)
    yield
    cluster.kubectl("delete", "--timeout=120s", *names)


@pytest.fixture
def shop(cluster: ControlPlane, tmp_path: Path) -> Iterator[Shop]:
    """Return a project with an own namespace, which does not exist yet."""
    namespace = f"shop-{uuid.uuid4().hex[:8]}"
    infra = CommandLine(tmp_path / "shop", **cluster.environ)
    infra.write('[project]\nname = "shop"\nversion = "1"\n', "pyproject.toml")
    yield Shop(cluster, infra, namespace)
    infra.end()
    cluster.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")
