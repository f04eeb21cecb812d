"""The names that user code imports for annotations."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pytest_infra


@pytest.mark.process
def test_each_name_can_be_used_in_annotations_that_are_evaluated() -> None:
    names = [name for name in pytest_infra.__all__ if name != "is_test_environment"]
    definitions = (
        f"from pytest_infra import {name}\ndef test_it(value: {name} | None) -> None: ...\n" for name in names
    )

    subprocess.run([sys.executable, "-c", "".join(definitions)], check=True)


@pytest.mark.process
def test_is_test_environment_can_be_called_before_any_other_import() -> None:
    call = "from pytest_infra import is_test_environment\nis_test_environment()"

    subprocess.run([sys.executable, "-c", call], check=True)


def test_an_unknown_name_raises_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        pytest_infra.Nonsense  # noqa: B018 - the access raises the error
