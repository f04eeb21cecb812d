"""The rules of `infra dev api-check` as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from infra_cli import output

if TYPE_CHECKING:
    from infra_openapi import Rule

COLOURS = {"breaking": "red", "warning": "yellow", "info": "cyan"}


def listing() -> list[str]:
    """Every rule in a line."""
    from infra_openapi import RULES

    rows = [
        (rule.id, output.styled(rule.level, COLOURS[rule.level]), rule.direction, rule.area)
        for rule in RULES.values()
    ]
    return output.columns(rows, header=("RULE", "LEVEL", "DIRECTION", "AREA"))


def plain(name: str | None) -> list[dict[str, Any]]:
    """Every rule as plain data, or those of a name."""
    from infra_openapi import RULES

    return [asdict(rule) for rule in (RULES.values() if name is None else named(name))]


def explanations(name: str) -> list[str]:
    """What there is to know of the rules that a name stands for."""
    blocks = [list(explanation(rule)) for rule in named(name)]
    return [line for lines in blocks for line in (*lines, "")][:-1]


def named(name: str) -> list[Rule]:
    """The rule of that id, or those that a peer's id means. Raises `CompareError` where there is none."""
    from infra_openapi import RULES, CompareError
    from infra_runtime.errors import nearest

    found = [rule for rule in RULES.values() if name in (rule.id, *rule.aliases)]
    if not found:
        hint = "`--list-rules` shows them all; ids of oasdiff are understood too."
        raise CompareError("", f"no rule is called {name!r}{_meant(nearest(name, RULES))}", hint=hint)
    return found


def _meant(suggestion: str) -> str:
    return suggestion if "did you mean" in suggestion else ""


def explanation(rule: Rule) -> Iterator[str]:
    """Return the lines that explain a rule: meaning, level, mirror."""
    level = output.styled(rule.level, COLOURS[rule.level])
    yield f"{output.styled(rule.id, bold=True)}  {level}"
    yield f"  {rule.area}, {rule.direction}: what is allowed is {rule.effect} by it"
    yield ""
    sentences = [rule.explain]
    if rule.deviation:
        sentences.append(f"Its level is not what the law of levels gives: {rule.deviation}.")
    if rule.mirror:
        sentences.append(f"The other way round it is {rule.mirror}.")
    elif rule.waiver:
        sentences.append(f"It has no mirror: {rule.waiver}.")
    if rule.aliases:
        sentences.append(f"In oasdiff: {', '.join(rule.aliases)}.")
    for sentence in sentences:
        yield click.wrap_text(sentence, 100, initial_indent="  ", subsequent_indent="  ")
