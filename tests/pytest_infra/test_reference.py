"""The reference page contains the name of every option, ini value, fixture and marker of the plugin."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fakes.suite import Suite

pytestmark = pytest.mark.nested
PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "plugin.md"


@pytest.mark.parametrize(
    ("option", "patterns"),
    [
        ("--help", [r"--infra-[a-z-]+", r"^  (infra_\w+) \("]),
        ("--fixtures", [r"^(\w+)(?: \[\w+ scope\])? -- .*pytest_infra/"]),
        ("--markers", [r"^@pytest\.mark\.(infra\w*)"]),
    ],
    ids=["options", "fixtures", "markers"],
)
def test_the_page_contains_every_name_that_pytest_prints(
    suite: Suite, option: str, patterns: list[str]
) -> None:
    output = suite.run(option).stdout.str()

    names = [set(re.findall(pattern, output, re.MULTILINE)) for pattern in patterns]

    assert all(names)
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in sorted(set().union(*names)) if not re.search(rf"{name}(?![\w-])", page)] == []
