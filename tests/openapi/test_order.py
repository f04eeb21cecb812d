"""The order of alternatives, properties and keywords in a document has no effect on the findings."""

from __future__ import annotations

import re
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fakes import composed, harmful
from fakes.api import report, sends
from fakes.changes import PAIRS

#: The lists whose order has no meaning.
_UNORDERED = frozenset({"allOf", "anyOf", "oneOf"})
#: The changes of schemas that do not refer to other schemas, and whose comparison reaches no limit.
INLINE = [change for change in PAIRS if "$ref" not in repr(change) and change[0] != "limit-reached"]
#: Without shrinking, which takes minutes for these documents; a failure prints both documents.
SETTINGS = settings(
    max_examples=settings().max_examples // 2,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
    phases=[phase for phase in Phase if phase is not Phase.shrink],
)
RANDOM = st.randoms(use_true_random=False)


def shuffled(part: Any, random: Random, *, unordered: bool = False) -> Any:
    """Return a copy of a document with another order of keys and alternatives."""
    if isinstance(part, dict):
        names = random.sample(list(part), len(part))
        return {name: shuffled(part[name], random, unordered=name in _UNORDERED) for name in names}
    if isinstance(part, list):
        members = [shuffled(member, random) for member in part]
        return random.sample(members, len(members)) if unordered else members
    return part


def findings(before: dict[str, Any], after: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Return rules, levels and messages; the number of an alternative in a message depends on the order."""
    return {
        (finding.rule, finding.level, re.sub(r"alternative \d+", "alternative", finding.message))
        for finding in report(before, after).findings
    }


@SETTINGS
@given(seed=st.integers(0, 100_000), random=RANDOM)
def test_the_order_has_no_effect_on_the_findings_about_composed_schemas(seed: int, random: Random) -> None:
    case = harmful.harmful(Random(seed)) or composed.rewriting(Random(seed))
    before, after = shuffled(case.before, random), shuffled(case.after, random)

    assert findings(before, after) == findings(case.before, case.after)
    assert findings(after, before) == findings(case.after, case.before)


@SETTINGS
@given(changes=st.lists(st.sampled_from(INLINE), min_size=2, max_size=4), random=RANDOM)
def test_the_order_has_no_effect_on_the_findings_about_alternatives_without_names(
    changes: list[Any], random: Random
) -> None:
    sides = [[change[side] for change in changes] for side in (1, 2)]
    for keyword in ("anyOf", "oneOf"):
        before, after = (sends({keyword: alternatives}) for alternatives in sides)

        assert findings(shuffled(before, random), shuffled(after, random)) == findings(before, after)


def test_equal_alternatives_are_partners_whatever_the_order_of_their_keys() -> None:
    one = {"type": "string", "pattern": "^a+$"}
    shorter = {**one, "maxLength": 5}
    before, after = sends({"oneOf": [one, shorter]}), sends({"oneOf": [one]})
    turned = sends({"oneOf": [dict(reversed(one.items()))]})

    assert findings(before, turned) == findings(before, after)
    assert findings(turned, before) == findings(after, before)


@SETTINGS
@given(random=RANDOM, keyword=st.sampled_from(["not", "if", "contains", "pattern", "format"]))
def test_the_order_has_no_effect_on_the_pairs_of_a_keyword_that_occurs_several_times(
    random: Random, keyword: str
) -> None:
    kinds: dict[str, list[dict[str, Any]]] = {
        "not": [{"not": {"type": "integer", "minimum": number}} for number in range(5)],
        "if": [
            {"if": {"type": "integer", "minimum": number}, "then": {"maximum": 99 - number}}
            for number in range(5)
        ],
        "contains": [{"contains": {"type": "integer", "minimum": number}} for number in range(5)],
        "pattern": [{"type": "string", "pattern": f"a{{{number}}}"} for number in range(1, 6)],
        "format": [{"type": "string", "format": name} for name in ("uri", "email", "date", "isin", "iban")],
    }
    parts = kinds[keyword]
    before, after = sends({"allOf": parts[:3]}), sends({"allOf": parts[2:]})

    assert findings(shuffled(before, random), shuffled(after, random)) == findings(before, after)
