"""Each rule about operations and messages has a pair of documents, which is also compared in reverse."""

from __future__ import annotations

from itertools import chain
from typing import Any

from fakes.api import document, query, rules, takes
from fakes.calls import PAIRS, TODAY
from infra_openapi.rules import RULES, message, response
from infra_openapi.rules import operation as called

#: Rules whose pair gives further findings.
FURTHER_FINDINGS = {
    "request-media-type-added": {"request-media-type-added", "request-media-type-removed"},
    "operation-sunset-invalid": {"operation-sunset-invalid", "operation-sunset-removed"},
    "security-option-removed": {"security-option-removed", "security-alternative-added"},
    "request-part-media-type-added": {"request-part-media-type-added", "request-part-media-type-removed"},
}


def test_each_pair_gives_the_finding_of_its_rule() -> None:
    reported = [(rule, set(rules(before, after, today=TODAY))) for rule, before, after in PAIRS]

    assert [
        (rule, rule_ids)
        for rule, rule_ids in reported
        if not {rule} <= rule_ids <= {rule, *FURTHER_FINDINGS.get(rule, ())}
    ] == []


def test_a_reversed_pair_gives_the_finding_of_the_mirror_or_the_rule_has_a_waiver() -> None:
    reported = [(rule, rules(after, before, today=TODAY)) for rule, before, after in PAIRS]

    assert [
        (rule, backwards)
        for rule, backwards in reported
        if not (RULES[rule].waiver or RULES[rule].mirror in backwards)
        and rule not in {RULES[name].mirror for name in backwards}
    ] == []


def inverted(data: dict[str, Any]) -> dict[str, Any]:
    """Return the document with its operations as webhooks, where the API sends the requests."""
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
#: The receiver of a webhook cannot select the media type, so these rules differ.
DELIVERED = {
    "response-media-type-added": "response-delivered-media-type-added",
    "response-media-type-removed": "response-delivered-media-type-removed",
}


def test_a_webhook_gives_the_rule_of_the_other_direction() -> None:
    reported = [
        (other_direction(rule), rules(inverted(before), inverted(after), today=TODAY))
        for rule, before, after in INVERTED
    ]

    assert [(rule, rule_ids) for rule, rule_ids in reported if rule not in rule_ids] == []


def other_direction(rule: str) -> str:
    start, _, fact = rule.partition("-")
    other = f"{'response' if start == 'request' else 'request'}-{fact}"
    return DELIVERED.get(other, other)


def test_removing_a_required_parameter_of_a_webhook_has_its_own_rule() -> None:
    before, after = takes(query(required=True)), takes()

    assert rules(inverted(before), inverted(after)) == ["response-required-parameter-removed"]


def test_every_rule_about_operations_has_a_pair() -> None:
    paired = {rule for rule, _, _ in PAIRS} | {other_direction(rule) for rule, _, _ in INVERTED}
    paired |= {*DELIVERED, "response-required-parameter-removed"}

    assert {rule.id for rule in chain(called.RULES, message.RULES, response.RULES)} - paired == set()
