"""The names for annotations: each is there, in a plain module and for type checkers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pytest_infra


@pytest.mark.parametrize("name", pytest_infra.__all__)
def test_each_name_can_be_imported_first_and_used_where_annotations_are_evaluated(name: str) -> None:
    annotated = f"from pytest_infra import {name}\ndef test_it(it: {name} | None) -> None: ..."
    if name == "is_test_environment":
        annotated = f"from pytest_infra import {name}\n{name}()"

    subprocess.run([sys.executable, "-c", annotated], check=True)


def test_no_other_name_is_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        pytest_infra.Nonsense  # noqa: B018 - the question is the test
