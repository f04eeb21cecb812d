"""Each rule about operations and messages has a twin here, and most are read backwards too."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest

from fakes.api import document, query, rules, takes
from fakes.calls import PAIRS, TODAY
from infra_openapi.rules import RULES, message, response
from infra_openapi.rules import operation as called

#: What is more than one fact when it is seen by itself.
TOGETHER = {
    "request-media-type-added": {"request-media-type-added", "request-media-type-removed"},
    "operation-sunset-invalid": {"operation-sunset-invalid", "operation-sunset-removed"},
    "security-option-removed": {"security-option-removed", "security-alternative-added"},
    "request-part-media-type-added": {"request-part-media-type-added", "request-part-media-type-removed"},
}


@pytest.mark.parametrize(("rule", "before", "after"), PAIRS, ids=lambda value: str(value)[:50])
def test_a_pair_makes_its_rule_speak(rule: str, before: Any, after: Any) -> None:
    found = rules(before, after, today=TODAY)

    assert rule in found
    assert set(found) <= {rule, *TOGETHER.get(rule, ())}


@pytest.mark.parametrize(("rule", "before", "after"), PAIRS, ids=lambda value: str(value)[:50])
def test_a_rule_has_its_mirror_or_says_why_not(rule: str, before: Any, after: Any) -> None:
    backwards = rules(after, before, today=TODAY)
    mirrors = {RULES[name].mirror for name in backwards}

    assert RULES[rule].waiver or RULES[rule].mirror in backwards or rule in mirrors


def inverted(data: dict[str, Any]) -> dict[str, Any]:
    """The same operations as webhooks: now the API calls, and the client answers."""
    return {
        **document(),
        "webhooks": dict(data["paths"].items()),
        "components": data.get("components", {}),
    }


SAME_WAY = {rule.id for rule in called.RULES} | {
    "response-media-type-generalized",
    "response-media-type-specialized",
}
INVERTED = [pair for pair in PAIRS if pair[0] not in SAME_WAY]
#: Whoever is called gets what is sent, and is not asked what it would like.
UNASKED = {
    "response-media-type-added": "response-delivered-media-type-added",
    "response-media-type-removed": "response-delivered-media-type-removed",
}


@pytest.mark.parametrize(("rule", "before", "after"), INVERTED, ids=lambda value: str(value)[:50])
def test_in_a_webhook_it_is_the_other_direction(rule: str, before: Any, after: Any) -> None:
    start, _, fact = rule.partition("-")
    inverse = {"request": "response", "response": "request"}[start]
    other = f"{inverse}-{fact}"

    assert UNASKED.get(other, other) in rules(inverted(before), inverted(after), today=TODAY)


def test_a_parameter_that_always_came_is_missed_by_whoever_is_called() -> None:
    before, after = takes(query(required=True)), takes()

    assert rules(inverted(before), inverted(after)) == ["response-required-parameter-removed"]


def test_every_rule_about_operations_has_its_pair() -> None:
    paired = {rule for rule, _, _ in PAIRS}
    paired |= {
        f"{'response' if rule.startswith('request') else 'request'}-{rule.partition('-')[2]}"
        for rule, _, _ in INVERTED
    }

    paired |= {*UNASKED, *UNASKED.values(), "response-required-parameter-removed"}

    assert {rule.id for rule in chain(called.RULES, message.RULES, response.RULES)} - paired == set()
