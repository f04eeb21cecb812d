"""The search for import packages, which imports none of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from infra_runtime.host.packages import is_importable


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        ("acme_outer", True),
        ("acme_outer.inner", True),
        ("acme_outer.inner.deepest", True),
        ("acme_outer.module", True),
        ("acme_outer.missing", False),
        ("acme_outer.module.missing", False),
        ("acme_missing", False),
        ("acme_missing.inner", False),
        ("json", True),
    ],
)
def test_a_package_is_found_without_an_import_of_the_packages_around_it(
    package: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deepest = tmp_path / "acme_outer" / "inner" / "deepest"
    deepest.mkdir(parents=True)
    for folder in (deepest.parent.parent, deepest.parent, deepest):
        (folder / "__init__.py").write_text("raise AssertionError\n", encoding="utf-8")
    (tmp_path / "acme_outer" / "module.py").write_text("raise AssertionError\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    assert is_importable(package) is expected
    assert not [name for name in sys.modules if name.startswith("acme_")]
