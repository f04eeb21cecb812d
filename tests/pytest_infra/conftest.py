"""The fixture `suite`, which the tests of the plugin share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from fakes.suite import MARK, Suite

#: variables of the outer test suite that stay set for the inner pytest
KEPT_VARIABLES = ("INFRA_TEST_SUITE", "INFRA_TEST_PROFILE", "INFRA_BINARIES")


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What the imports of a test have added to the interpreter."""

    modules: dict[str, ModuleType] = field(default_factory=dict)
    finders: list[Any] = field(default_factory=list)


@pytest.fixture
def imported() -> Iterator[Imported]:
    """The imports of a test, which remain when `pytester` restores `sys.modules` and `sys.meta_path`."""
    imports = Imported()
    yield imports
    sys.modules.update(imports.modules)
    sys.meta_path.extend(finder for finder in imports.finders if finder not in sys.meta_path)


@pytest.fixture
def pytester(imported: Imported, pytester: pytest.Pytester) -> Iterator[pytest.Pytester]:
    """pytest's fixture, but modules stay imported: an extension module works only after its first import."""
    yield pytester
    imported.modules.update(sys.modules)
    imported.finders.extend(sys.meta_path)


@pytest.fixture
def suite(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Suite]:
    """An empty project of a user, in which warnings are errors and the variable `CI` is not set."""
    # The tests of all workers share one cache, because it takes seconds to make a seed.
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    cache = os.environ.get("INFRA_CACHE") or str(shared / "cache")
    for name in list(os.environ):
        if name.startswith(("INFRA_", "PYTEST_XDIST")) and name not in KEPT_VARIABLES:
            monkeypatch.delenv(name)
    monkeypatch.delenv("CI", raising=False)
    project = Suite(pytester, monkeypatch)
    project.with_plugins()
    monkeypatch.setenv(MARK, project.mark)
    monkeypatch.setenv("INFRA_CACHE", cache)
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    yield project
    project.end()
