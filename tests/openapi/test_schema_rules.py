"""Each rule about schemas has a pair of schemas; the reversed pair gives the mirror rule."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.api import receives, report, rules, sends
from fakes.changes import PAIRS, REQUESTS, RESPONSES
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


@pytest.mark.parametrize(("direction", "fact", "before", "after"), CASES, ids=lambda value: str(value)[:50])
def test_each_pair_gives_the_finding_of_its_rule_and_no_other(
    direction: str, fact: str, before: Any, after: Any
) -> None:
    assert found(direction, before, after) == [f"{direction}-{fact}"]


@pytest.mark.parametrize(("direction", "fact", "before", "after"), CASES, ids=lambda value: str(value)[:50])
def test_a_reversed_pair_gives_the_finding_of_the_mirror(
    direction: str, fact: str, before: Any, after: Any
) -> None:
    rule = RULES[f"{direction}-{fact}"]
    backwards = found(direction, after, before)

    assert len(backwards) == 1
    assert RULES[backwards[0]].mirror == rule.id or rule.mirror == backwards[0] or rule.waiver


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
