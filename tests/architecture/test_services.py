"""Every kind of service has a page, a kit, a test of its own and its part of the contract suite."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from typing import TypeGuard

import pytest

from infra_runtime import catalogue
from infra_runtime.manifest import KINDS

ROOT = Path(__file__).parent.parent.parent
PAGES = ROOT / "docs" / "services"
TESTS = ROOT / "tests" / "runtime" / "services"

CONTRACT = ROOT / "tests" / "kinds"

services = pytest.mark.parametrize("name", KINDS)


@services
def test_a_service_has_a_page(name: str) -> None:
    """What nobody can look up is not finished."""
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")

    assert page.startswith("# ")
    assert f"(services/{name}.md)" in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")


@services
def test_a_service_is_tested_against_its_real_server(name: str) -> None:
    text = (TESTS / f"test_{name}.py").read_text(encoding="utf-8")

    assert re.search(rf"mark\.real\([^)]*\"{name}\"", text)


@services
def test_a_service_keeps_the_contract_against_its_real_server(name: str) -> None:
    """`tests/kinds/test_contract.py` runs for every kind, with these two functions of the kind."""
    module = ast.parse((CONTRACT / f"{name}.py").read_text(encoding="utf-8"))

    functions = {node.name: [it.arg for it in node.args.args] for node in module.body if _is_function(node)}
    assert functions["write"] == ["endpoint", "name", "value"]
    assert functions["read"] == ["endpoint", "name"]


def _is_function(node: ast.stmt) -> TypeGuard[ast.FunctionDef]:
    return isinstance(node, ast.FunctionDef)


@services
def test_a_service_has_a_kit(name: str) -> None:
    assert importlib.util.find_spec(f"pytest_infra.services.{name}")


@services
def test_a_service_tells_in_one_line_what_it_is(name: str) -> None:
    entry = catalogue.entry(name)

    assert entry is not None
    assert entry.name == name
    assert 10 < len(entry.summary) < 80
    assert entry.make(entry.settings.model_validate({})).summary == entry.summary


@services
def test_a_service_has_an_extra_that_brings_its_server(name: str) -> None:
    """The error for a missing executable names it."""
    entry = catalogue.entry(name)

    assert entry is not None
    assert {binary.extra for binary in entry.binaries} == {entry.extra}


def test_a_page_without_a_service_is_a_leftover() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == set(KINDS)
