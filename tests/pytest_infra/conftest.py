"""What the plugin's tests share."""

from __future__ import annotations

import os

import pytest

from fakes.suite import MARK, Suite

KEPT = ("INFRA_TEST_SUITE", "INFRA_TEST_PROFILE")


@pytest.fixture
def suite(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Suite:
    """An empty project of a user's where warnings are errors; on a laptop, not in CI."""
    for name in list(os.environ):
        if name.startswith(("INFRA_", "PYTEST_XDIST")) and name not in KEPT:
            monkeypatch.delenv(name)
    monkeypatch.delenv("CI", raising=False)
    made = Suite(pytester, monkeypatch)
    made.with_plugins()
    monkeypatch.setenv(MARK, made.mark)
    # The seed of a cluster is worth keeping from one test to the next.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    return made
