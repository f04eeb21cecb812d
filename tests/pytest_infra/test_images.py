"""Tests of a service that runs in a container: the download of its image, and isolation by the hook."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.container_engine import ContainerEngine
from fakes.suite import Suite

pytestmark = pytest.mark.nested
IMAGE = "ghcr.io/acme/search:1.2"


@pytest.fixture
def engine(suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ContainerEngine:
    """An engine whose registry has the image of the service that the tests of the suite use."""
    engine = ContainerEngine(tmp_path / "engine")
    engine.publish(IMAGE, f"sha256:{'a' * 64}")
    monkeypatch.setenv("INFRA_CONTAINER_ENGINE", str(engine.path))
    monkeypatch.delenv("CI", raising=False)
    suite.stack(
        "use = ['search']\n"
        f"[services.search]\nimage = '{IMAGE}'\n"
        "ports = { http = 9200 }\ncontainer_ports = { http = 80 }\nready = { http = '/' }\n"
    )
    return engine


def test_each_test_has_its_own_unit_of_a_service_in_a_container(
    suite: Suite, engine: ContainerEngine
) -> None:
    suite.test(
        """
        from contextlib import contextmanager

        def pytest_infra_isolate(service, endpoint, label):
            @contextmanager
            def index():
                yield {"index": label.rpartition("::")[2]}
            return index()
        """,
        "conftest",
    )
    suite.test(
        """
        from urllib.request import urlopen

        def test_one(search):
            assert urlopen(search.url).status == 200
            assert search.index == "test_one"

        def test_two(search):
            assert search.index == "test_two"
        """
    )

    result = suite.run("--infra-install=yes", "-n", "2")

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*1 service, ready in *; 0 processes, 0 ports, 0 sockets left"])
    assert (Path(suite.root) / "infra.lock").exists()
    assert engine.calls("pull") == [["pull", IMAGE]]
    assert engine.containers == []


def test_without_permission_the_test_is_skipped(suite: Suite, engine: ContainerEngine) -> None:
    suite.test("def test_it(search): assert search.url")

    result = suite.run("-rs")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines([f"*search: the image {IMAGE} is not on this machine*--install*"])
    assert engine.calls("pull") == []
