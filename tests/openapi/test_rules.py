"""The tables of rules are complete: ids, mirrors, levels, messages and explanations."""

from __future__ import annotations

import re
import string
from collections.abc import Callable

import pytest

pytest.importorskip("yaml", reason="needs the extra `openapi`")

from infra_openapi import RULES, Level, Rule
from infra_openapi.rules import law
from infra_openapi.rules.advice import advice
from infra_openapi.rules.rule import PLACEHOLDERS

#: direction → how an id begins
DIRECTIONS = {"request": "request-", "response": "response-", "none": ""}


def ids_without(condition: Callable[[Rule], object]) -> list[str]:
    """Return the ids of the rules for which the condition is false."""
    return [rule.id for rule in RULES.values() if not condition(rule)]


def test_an_id_is_kebab_case_and_begins_with_its_direction() -> None:
    assert ids_without(lambda rule: re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id)) == []
    assert ids_without(lambda rule: rule.id.startswith(DIRECTIONS[rule.direction])) == []


def test_a_rule_has_a_mirror_or_a_reason_why_not() -> None:
    assert ids_without(lambda rule: rule.mirror in RULES or (not rule.mirror and len(rule.waiver) > 20)) == []


def test_a_level_follows_from_the_law_or_has_a_reason() -> None:
    assert (
        ids_without(lambda rule: rule.level is law(rule.effect, rule.direction) or len(rule.deviation) > 20)
        == []
    )


@pytest.mark.parametrize("level", Level)
def test_each_finding_has_advice(level: Level) -> None:
    def names(rule: Rule) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(advice(rule, level)) if name}

    assert ids_without(lambda rule: names(rule) <= PLACEHOLDERS) == []
    assert ids_without(lambda rule: advice(rule, level).endswith(".")) == []
    assert (
        ids_without(lambda rule: (level is Level.INFO) == advice(rule, level).startswith("No action")) == []
    )


#: the verbs with which a message names the change; the message about a limit is not about a change
CHANGES = (
    *("added", "allowed", "changed", "decreased", "deprecated", "forbade", "increased", "made", "moved"),
    *("narrowed", "removed", "replaced", "restricted", "set", "widened"),
)


def test_a_message_begins_with_the_verb_of_the_change() -> None:
    other = ids_without(lambda rule: rule.message.split()[0] in CHANGES)

    assert set(other) == {"request-limit-reached", "response-limit-reached"}


def test_a_rule_has_a_message_and_an_explanation() -> None:
    def names(rule: Rule) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(rule.message) if name}

    assert ids_without(lambda rule: names(rule) <= PLACEHOLDERS) == []
    assert ids_without(lambda rule: rule.explain.endswith(".") and not rule.message.endswith(".")) == []
