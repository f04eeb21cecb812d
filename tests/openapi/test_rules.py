"""The tables of rules are complete: ids, mirrors, levels, messages and explanations."""

from __future__ import annotations

import re
import string

import pytest

pytest.importorskip("yaml", reason="needs the extra `openapi`")

from infra_openapi import RULES, Level, Rule
from infra_openapi.rules import law
from infra_openapi.rules.advice import advice
from infra_openapi.rules.rule import PLACEHOLDERS

rules = pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)


@rules
def test_an_id_is_kebab_case_and_begins_with_its_direction(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id)
    assert rule.direction == "none" or rule.id.startswith(f"{rule.direction}-")


@rules
def test_a_rule_has_a_mirror_or_a_reason_why_not(rule: Rule) -> None:
    assert rule.mirror in RULES or (not rule.mirror and len(rule.waiver) > 20)


@rules
def test_a_level_follows_from_the_law_or_has_a_reason(rule: Rule) -> None:
    lawful = rule.level is law(rule.effect, rule.direction)

    assert lawful or len(rule.deviation) > 20


@rules
@pytest.mark.parametrize("level", Level)
def test_each_finding_has_advice(rule: Rule, level: Level) -> None:
    text = advice(rule, level)

    assert {name for _, name, _, _ in string.Formatter().parse(text) if name} <= PLACEHOLDERS
    assert text.endswith(".")
    assert (level is Level.INFO) == text.startswith("Nothing")


@rules
def test_a_rule_has_a_message_and_an_explanation(rule: Rule) -> None:
    names = {name for _, name, _, _ in string.Formatter().parse(rule.message) if name}

    assert names <= PLACEHOLDERS
    assert rule.explain.endswith(".")
    assert not rule.message.endswith(".")
