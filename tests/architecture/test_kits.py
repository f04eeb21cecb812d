"""Each kind has a kit, and no other file of the plugin contains the name of the kind."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest_infra
from fakes.samples import every
from infra_runtime.manifest import KINDS
from pytest_infra import kit_registry
from pytest_infra.kit import ServiceKit, load

PLUGIN = Path(pytest_infra.__file__).parent
SERVICES = PLUGIN / "services"
SHARED = sorted(path for path in PLUGIN.rglob("*.py") if SERVICES not in path.parents)
#: kinds whose name is also a word of other texts: the registry of units, the engine for clusters
WORDS = {"registry", "kubernetes"}
#: `postgres`, and the names that programs and libraries of a kind have
NAMES = re.compile(
    rf"(?<![\w.])(?:{'|'.join(KINDS.keys() - WORDS)})(?!\w)|PostgreSQL|psycopg|asyncpg", re.IGNORECASE
)

kinds = every(KINDS)


def targets(kit: ServiceKit) -> Iterator[str]:
    yield kit.units
    yield from filter(None, (kit.dump, kit.leftover))
    yield from (fixture.function for fixture in kit.fixtures)
    yield from (parameter.read for parameter in kit.parameters)


@kinds
def test_each_kind_has_a_kit(kind: str) -> None:
    kit = kit_registry.find(kind)

    assert kit is not None
    assert kit.kind == kind
    assert kit.variants


@kinds
def test_every_function_that_a_kit_names_can_be_imported(kind: str) -> None:
    kit = kit_registry.find(kind)

    assert kit is not None
    assert all(callable(load(target)) for target in targets(kit))


@kinds
def test_the_unit_names_of_a_kit_that_finds_leftovers_contain_the_owner(kind: str) -> None:
    kit = kit_registry.find(kind)

    assert kit is not None
    assert not kit.leftover or "owner" in re.compile(kit.unit_name).groupindex


@kinds
def test_a_kit_names_secrets_and_urls_by_exports_and_drivers(kind: str) -> None:
    kit = kit_registry.find(kind)

    assert kit is not None
    assert all(re.fullmatch(r"[a-z0-9]+(\+[a-z0-9]+)?", driver) for driver in kit.urls)
    assert all(name.isidentifier() for name in kit.secrets)


def test_the_rest_of_the_plugin_names_no_kind() -> None:
    assert [(module, text) for module in SHARED for text in names_of_kinds(module)] == []


def names_of_kinds(module: Path) -> list[str]:
    """Return the strings with the name of a kind, and the imported modules of kinds."""
    source = module.read_text(encoding="utf-8")
    if not NAMES.search(source):  # an import has the name of a kind, too
        return []
    nodes = list(ast.walk(ast.parse(source)))
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    imports = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    imports += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return [
        *(text for text in texts if NAMES.search(text)),
        *(name for name in imports if name.startswith("pytest_infra.services.")),
    ]
