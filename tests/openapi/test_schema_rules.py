"""Each rule about schemas has a pair of schemas; the reversed pair gives the mirror rule."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakes.api import receives, report, rules, sends
from fakes.changes import PAIRS, REQUESTS, RESPONSES
from fakes.samples import sample
from infra_openapi.rules import RULES, annotation, lexical, properties, structure, values

TEXT = {"type": "string"}
CASES = [
    *(("request", *pair) for pair in (*PAIRS, *REQUESTS)),
    *(("response", *pair) for pair in (*PAIRS, *RESPONSES)),
]
OTHERS = {
    "x": {"type": "object", "properties": {"x": TEXT}},
    "y": {"type": "object", "properties": {"y": TEXT}},
}


def found(direction: str, before: Any, after: Any) -> list[str]:
    make = sends if direction == "request" else receives
    return rules(make(before, **OTHERS), make(after, **OTHERS))


def test_each_pair_gives_the_finding_of_its_rule_and_no_other() -> None:
    assert [
        (direction, fact, before, after, findings)
        for direction, fact, before, after in sample(CASES)
        if (findings := found(direction, before, after)) != [f"{direction}-{fact}"]
    ] == []


def key(direction: str, before: Any, after: Any) -> str:
    return json.dumps([direction, before, after], sort_keys=True)


#: The pairs, of which some are the reverse of another one, with their facts.
FACTS = {key(direction, before, after): fact for direction, fact, before, after in CASES}
#: The pairs of which the reverse is not in the list.
ONE_WAY = [case for case in CASES if key(case[0], case[3], case[2]) not in FACTS]


def is_mirror(rule: str, other: str) -> bool:
    return bool(RULES[other].mirror == rule or RULES[rule].mirror == other or RULES[rule].waiver)


def test_a_reversed_pair_gives_the_finding_of_the_mirror() -> None:
    backwards = [
        (f"{direction}-{fact}", found(direction, after, before))
        for direction, fact, before, after in sample(ONE_WAY)
    ]

    assert [
        (rule, findings)
        for rule, findings in backwards
        if len(findings) != 1 or not is_mirror(rule, findings[0])
    ] == []


def test_a_pair_that_is_the_reverse_of_another_one_is_about_the_mirror() -> None:
    reversed_facts = [
        (f"{direction}-{fact}", f"{direction}-{FACTS[key(direction, after, before)]}")
        for direction, fact, before, after in CASES
        if key(direction, after, before) in FACTS
    ]

    assert len(reversed_facts) + len(ONE_WAY) == len(CASES)
    assert [rules for rules in reversed_facts if not is_mirror(*rules)] == []


@pytest.mark.parametrize("direction", ["request", "response"])
@pytest.mark.parametrize(
    ("values", "text"),
    [
        ("bc", "removed the enum values 'b' and 'c' from"),
        ("b", "removed the enum value 'b' from"),
        (
            "bcdefghijklmn",
            "removed the enum values 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k' and 3 more from",
        ),
    ],
)
def test_a_changed_enum_gives_one_finding_with_all_removed_values(
    direction: str, values: str, text: str
) -> None:
    make = sends if direction == "request" else receives

    (finding,) = report(make({**TEXT, "enum": ["a", *values]}), make({**TEXT, "enum": ["a"]})).findings

    assert finding.message.startswith(text)
    assert (finding.before, finding.after) == ([*values], None)


def test_every_rule_about_schemas_has_a_pair() -> None:
    paired = {f"{direction}-{fact}" for direction, fact, _, _ in CASES}
    modules = (values, lexical, properties, structure, annotation)
    known = {rule.id for module in modules for rule in module.RULES}

    assert known == paired
