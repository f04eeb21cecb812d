"""Ids of facts and rules: each is defined once, as a literal, and is used."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import infra_openapi
from infra_openapi import facts
from infra_openapi.facts import FactKind
from infra_openapi.rules import RULES

PACKAGE = Path(infra_openapi.__file__).parent
KINDS = {name: kind for name, kind in vars(facts).items() if isinstance(kind, FactKind)}
SOURCES = {path: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
MAKERS = {"FactKind", "_both", "_request", "_response", "_undirected"}
#: an id, or a part from which an id could be composed
PART_OF_AN_ID = re.compile(
    r"\A(request|response)-|\A-\Z|-(added|removed|increased|decreased|narrowed|widened|changed|allowed)\Z"
)


def ids(kind: FactKind) -> list[str]:
    return [rule for rule in (kind.request, kind.response, kind.undirected) if rule]


@pytest.fixture(scope="module")
def nodes() -> dict[Path, list[ast.AST]]:
    """All nodes of each module except ids of oasdiff, which may be equal to ids of rules."""
    return {path: list(_nodes(text)) for path, text in SOURCES.items()}


def _nodes(text: str) -> Iterator[ast.AST]:
    waiting: list[ast.AST] = [ast.parse(text)]
    while waiting:
        node = waiting.pop()
        if not (isinstance(node, ast.keyword) and node.arg == "peer"):
            yield node
            waiting += ast.iter_child_nodes(node)


NAMED = {path: set(re.findall(r"\bfacts\.(\w+)\b", text)) for path, text in SOURCES.items()}


def users(name: str) -> set[str]:
    """Return the modules that use a fact; `rules` stands for all modules of that package."""
    paths = [path for path, names in NAMED.items() if name in names]
    return {"rules" if path.parent.name == "rules" else str(path.relative_to(PACKAGE)) for path in paths}


def test_every_rule_has_the_id_of_a_fact_and_every_id_has_a_rule() -> None:
    known = [rule for kind in KINDS.values() for rule in ids(kind)]

    assert len(known) == len(set(known))
    assert set(known) == set(RULES)


def test_an_id_is_the_constants_name_with_the_direction() -> None:
    for name, kind in KINDS.items():
        word = name.lower().replace("_", "-")

        assert kind.request in {"", f"request-{word}"}, name
        assert kind.response in {"", f"response-{word}"}, name
        assert kind.undirected in {"", word}, name
        assert ids(kind), name


def test_a_fact_has_a_rule_and_is_stated_by_the_comparison() -> None:
    """The facts of bounds are stated by the table in `rules/bounds.py`, which the comparison looks up."""
    bounds = (PACKAGE / "rules" / "bounds.py").read_text(encoding="utf-8")
    for name in KINDS:
        stated = users(name) - {"rules", "severity.py", "witness.py"}

        assert "rules" in users(name), name
        assert stated or f"facts.{name}," in bounds, name


def test_an_id_is_written_in_one_module(nodes: dict[Path, list[ast.AST]]) -> None:
    """With the id of a finding one can search for the constant, and with that for the code and the rule."""
    for path, of_module in nodes.items():
        written = {node.value for node in of_module if isinstance(node, ast.Constant)} & RULES.keys()
        assert written == (set(RULES) if path.name == "facts.py" else set()), path


def test_fact_kinds_are_defined_with_literals_in_one_module(nodes: dict[Path, list[ast.AST]]) -> None:
    for path, of_module in nodes.items():
        for node in of_module:
            function_name = (
                node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            )
            if function_name == "FactKind":
                assert path.name == "facts.py"
            if isinstance(node, ast.Call) and function_name in MAKERS and path.name == "facts.py":
                assert all(isinstance(value, ast.Constant | ast.Name) for value in node.args)


def test_no_id_is_composed_of_parts(nodes: dict[Path, list[ast.AST]]) -> None:
    """Neither by an f-string nor by a sum."""
    for path, of_module in nodes.items():
        for node in of_module:
            parts: list[ast.expr] = []
            if isinstance(node, ast.JoinedStr):
                parts = node.values
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
                parts = [node.left, node.right]
            for part in parts:
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    assert not PART_OF_AN_ID.search(part.value), f"{path}:{part.lineno}"
