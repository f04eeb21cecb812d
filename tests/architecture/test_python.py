"""The page of the Python interface describes every public name."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import infra_runtime as infra
from fakes.samples import every

PAGE = (Path(__file__).parent.parent.parent / "docs" / "reference" / "python.md").read_text(encoding="utf-8")


def public(kind: type) -> list[str]:
    return [name for name in vars(kind) if not name.startswith("_")]


@every(infra.__all__)
def test_a_public_name_is_in_the_page(name: str) -> None:
    assert re.search(rf"`{name}[(`]", PAGE)


@every(public(infra.Stack) + public(infra.Endpoint))
def test_a_method_is_in_the_page(name: str) -> None:
    assert re.search(rf"`{name}[(`]", PAGE)


@pytest.mark.parametrize("name", inspect.signature(infra.start).parameters)
def test_an_argument_of_start_is_in_the_page(name: str) -> None:
    assert re.search(rf"`(start\(\*)?{name}[)`]", PAGE)
