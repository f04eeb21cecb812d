"""The rules of `infra dev api-check` as text and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from infra_cli import output

if TYPE_CHECKING:
    from infra_openapi import Rule

COLOURS = {"breaking": "red", "warning": "yellow", "info": "cyan"}
#: level → the recommended action for a finding of this level
_ADVICE = {
    "breaking": (
        "What to do: undo the change, release a new version of the API, or accept the finding with "
        "`infra dev api-check --accept FINGERPRINT --reason TEXT`."
    ),
    "warning": (
        "What to do: check whether clients depend on the old behaviour. With `--fail-on warning`, the "
        "command fails."
    ),
    "info": "No action is necessary: existing clients are not affected.",
}


def table() -> list[str]:
    """Return the lines of a table with all rules of `infra dev api-check`; each rule is one line."""
    from infra_openapi import RULES

    rows = [
        (rule.id, output.styled(rule.level, COLOURS[rule.level]), rule.direction, rule.area)
        for rule in RULES.values()
    ]
    return output.columns(rows, header=("RULE", "LEVEL", "DIRECTION", "AREA"))


def documents(name: str | None) -> list[dict[str, Any]]:
    """Return the rules with this name, or all rules if the name is None, as JSON data."""
    from infra_openapi import RULES

    return [asdict(rule) for rule in (RULES.values() if name is None else rules_of(name))]


def explanations(name: str) -> list[str]:
    """Return the text that explains the rules with this name; an empty line separates two rules."""
    blocks = [list(explanation(rule)) for rule in rules_of(name)]
    return [line for lines in blocks for line in (*lines, "")][:-1]


def rules_of(name: str) -> list[Rule]:
    """Return the rule with this id, and the rules that correspond to oasdiff's rule with this id.

    oasdiff is another tool that compares OpenAPI documents.

    Raises `CompareError` if no such rule exists.
    """
    from infra_openapi import RULES, CompareError
    from infra_runtime.errors import nearest

    rules = [rule for rule in RULES.values() if name in (rule.id, *rule.aliases)]
    if not rules:
        hint = "`infra dev api-check --list-rules` prints all rules. Ids of oasdiff are accepted too."
        raise CompareError("", f"unknown rule {name!r}{_suggested(nearest(name, RULES))}", hint=hint)
    return rules


def _suggested(suggestion: str) -> str:
    return suggestion if "did you mean" in suggestion else ""


def explanation(rule: Rule) -> Iterator[str]:
    """Yield the text that explains a rule: level, direction, meaning, advice, opposite rule, aliases."""
    from infra_openapi.rules import law

    level = output.styled(rule.level, COLOURS[rule.level])
    yield f"{output.styled(rule.id, bold=True)}  {level}"
    yield f"  area: {rule.area}; direction: {rule.direction}; effect on the valid messages: {rule.effect}"
    yield ""
    sentences = [rule.explain]
    if rule.deviation:
        sentences.append(
            f"The level is {rule.level}, not {law(rule.effect, rule.direction)}: {rule.deviation}."
        )
    sentences.append(_ADVICE[rule.level])
    if rule.mirror:
        sentences.append(f"The opposite change is {rule.mirror}.")
    elif rule.waiver:
        sentences.append(f"The opposite change has no rule: {rule.waiver}.")
    if rule.aliases:
        sentences.append(f"oasdiff: {', '.join(rule.aliases)}.")
    for sentence in sentences:
        yield textwrap.fill(
            sentence, 100, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
        )
