"""Every kind has a page, a kit, a test against the real server, and functions for the contract suite."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from pathlib import Path
from typing import TypeGuard

from fakes.samples import every
from infra_runtime import catalogue
from infra_runtime.binaries import recipes
from infra_runtime.binaries.recipe import Go
from infra_runtime.manifest import KINDS
from pytest_infra import kit_registry
from pytest_infra.kit import load

ROOT = Path(__file__).parent.parent.parent
PAGES = ROOT / "docs" / "services"
TESTS = ROOT / "tests" / "runtime" / "services"

CONTRACT = ROOT / "tests" / "kinds"
STATELESS: frozenset[str] = importlib.import_module("kinds.contract").STATELESS
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: planned kind → its default ports
RESERVED_PORTS: dict[str, tuple[int, ...]] = {
    "bento": (4195,),
    "deck": (8888,),
    "telemetry": (4317, 4318, 4319),
}

services = every(KINDS)


@services
def test_a_service_has_a_page(name: str) -> None:
    """A kind without documentation is not complete."""
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")

    assert page.startswith("# ")
    assert f"(services/{name}.md)" in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")


@services
def test_a_service_is_tested_against_its_real_server(name: str) -> None:
    text = (TESTS / f"test_{KINDS[name].identifier}.py").read_text(encoding="utf-8")

    assert re.search(rf"mark\.real\([^)]*\"{name}\"", text)


@services
def test_a_service_keeps_the_contract_against_its_real_server(name: str) -> None:
    """`tests/kinds/test_contract.py` runs for every kind, with these functions of the kind."""
    module = ast.parse((CONTRACT / f"{KINDS[name].identifier}.py").read_text(encoding="utf-8"))

    functions = {
        node.name: [argument.arg for argument in node.args.args] for node in module.body if _is_function(node)
    }
    if name in STATELESS:
        assert functions == {"check": ["endpoint"]}
        return
    assert functions["write"] == ["endpoint", "name", "value"]
    assert functions["read"] == ["endpoint", "name"]


def _is_function(node: ast.stmt) -> TypeGuard[ast.FunctionDef]:
    return isinstance(node, ast.FunctionDef)


@services
def test_a_service_has_a_kit_with_units_and_a_dump(name: str) -> None:
    kit = kit_registry.find(name)

    assert kit is not None
    assert kit.kind == name
    assert callable(load(kit.units))
    assert callable(load(kit.dump))


@services
def test_a_kind_has_one_line_that_describes_it(name: str) -> None:
    assert catalogue.entry(name).name == name
    assert 10 < len(catalogue.entry(name).summary) < 80


@services
def test_a_kind_has_the_protocols_that_the_manifest_names(name: str) -> None:
    """The stack file's key `ready` reads the names without importing the modules."""
    assert set(catalogue.entry(name).protocols) == set(KINDS[name].protocols)


@services
def test_every_executable_of_a_kind_names_the_extra_or_has_the_recipe_that_installs_it(name: str) -> None:
    """The error for a missing executable shows it."""
    extra = KINDS[name].extra
    binaries = catalogue.entry(name).binaries
    kit = recipes.kit().values()

    assert {binary.extra for binary in binaries if not binary.optional} == {extra}
    assert {binary.extra for binary in binaries} - {""} <= PROJECT["optional-dependencies"].keys()
    without = [binary for binary in binaries if not binary.extra and not recipes.providing(binary.name, kit)]
    is_missing = any(not binary.instead and not binary.module for binary in without)
    is_built = any(
        isinstance(source, Go)
        for binary in binaries
        if (recipe := recipes.providing(binary.name, kit))
        for source in recipe.sources
    )
    assert (is_missing or is_built) == KINDS[name].external


@services
def test_the_manifest_has_the_ports_of_the_settings(name: str) -> None:
    ports = catalogue.entry(name).settings.model_fields["ports"].get_default(call_default_factory=True)

    assert ports.model_dump() == KINDS[name].ports


def test_no_two_kinds_have_the_same_default_port() -> None:
    """A stack of all kinds can start, and planned kinds keep their reserved ports."""
    owners: dict[int, set[str]] = {}
    for kind in KINDS.values():
        for port in kind.ports.values():
            owners.setdefault(port, set()).add(kind.name)
    for name, reserved in RESERVED_PORTS.items():
        for port in reserved:
            owners.setdefault(port, set()).add(name)

    assert {port: names for port, names in owners.items() if len(names) > 1} == {}
    assert sum(len(kind.ports) for kind in KINDS.values()) == len(
        {port for kind in KINDS.values() for port in kind.ports.values()}
    )


def test_every_page_has_a_kind() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == set(KINDS)
