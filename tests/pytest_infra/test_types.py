"""The names for annotations: each is there, in a plain module and for type checkers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pytest_infra


@pytest.mark.process
def test_each_name_can_be_used_where_annotations_are_evaluated() -> None:
    kinds = [name for name in pytest_infra.__all__ if name != "is_test_environment"]
    annotated = (
        f"from pytest_infra import {name}\ndef test_it(it: {name} | None) -> None: ...\n" for name in kinds
    )

    subprocess.run([sys.executable, "-c", "".join(annotated)], check=True)


@pytest.mark.process
def test_whether_this_is_the_test_environment_can_be_asked_before_all_else() -> None:
    asked = "from pytest_infra import is_test_environment\nis_test_environment()"

    subprocess.run([sys.executable, "-c", asked], check=True)


def test_no_other_name_is_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        pytest_infra.Nonsense  # noqa: B018 - the question is the test
