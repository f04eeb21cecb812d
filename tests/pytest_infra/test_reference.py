"""The reference has every name that the plugin gives to a user."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fakes.suite import Suite

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "plugin.md"


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("--help", [r"--infra-[a-z-]+", r"^  (infra_\w+) \("]),
        ("--fixtures", [r"^(\w+)(?: \[\w+ scope\])? -- .*pytest_infra/"]),
        ("--markers", [r"^@pytest\.mark\.(infra\w*)"]),
    ],
    ids=["options", "fixtures", "markers"],
)
def test_it_has_every_name(suite: Suite, asked: str, names: list[str]) -> None:
    said = suite.run(asked).stdout.str()

    found = [set(re.findall(pattern, said, re.MULTILINE)) for pattern in names]

    assert all(found)
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in sorted(set().union(*found)) if not re.search(rf"{name}(?![\w-])", page)] == []
