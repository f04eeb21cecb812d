"""The units of a registry: a prefix of repositories for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.suite import Suite

pytestmark = pytest.mark.real("registry")

TESTS = f"""
import json, sys
import pytest
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from kinds.registry import read, write
from pytest_infra.services.registry import protocol
from pytest_infra.services.registry.dump import dump

@pytest.mark.parametrize("number", range(4))
def test_each_test_has_its_own_repositories(registry, number):
    assert read(registry, "api") is None
    write(registry, "api", str(number))
    assert read(registry, "api") == str(number)
    assert registry.images == f"{{registry.address}}/{{registry.prefix}}"

def test_example(registry):
    write(registry, "before", "1")
    with registry.example():
        assert read(registry, "before") is None
        write(registry, "inside", "1")
    assert read(registry, "inside") is None

def test_the_images_of_a_unit_are_deleted(infra_stack, infra_unit):
    with infra_unit("registry") as unit:
        write(unit, "api", "1")
        names = protocol.repositories(unit, unit.prefix)
        assert names == [f"{{unit.prefix}}/api"]
        assert [*protocol.tags(unit, names[0])] == ["1"]
    assert protocol.tags(infra_stack.registry, names[0]) == {{}}

def test_dump(registry, tmp_path):
    write(registry, "api", "1")
    (path,) = dump(registry, tmp_path)
    ((name, tags),) = json.loads(path.read_text()).items()
    assert name == f"{{registry.prefix}}/api"
    assert tags["1"]["digest"].startswith("sha256:")
"""


def test_two_workers_have_separate_units(suite: Suite) -> None:
    pytest.importorskip("xdist")
    suite.with_plugins("xdist")
    suite.stack("[services.registry]\n")
    suite.test(TESTS)

    suite.run("-n2").assert_outcomes(passed=7)
