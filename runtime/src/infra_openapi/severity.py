"""Determine the level of each rule from the table of rules, a preset, and the levels that the user sets."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from infra_openapi import facts
from infra_openapi.errors import CompareError
from infra_openapi.finding import Level
from infra_openapi.rules import RULES, Effect, law

#: Named sets of levels. `default`: the levels of the rules. `strict`: no rule has a lower level than the
#: general rule (`law`) requires, and undecided changes are breaking; the removal of an operation after its
#: sunset date is the only exception. `lenient-enums`: new enum values in responses are warnings.
#: `closed-unions`: new alternatives of unions in responses are breaking. `sdk`: changes of
#: names that generated code uses are breaking or warnings. In every preset, a finding that affects only
#: operations with the stability level `draft` or `alpha` has the level info.
PRESETS: dict[str, dict[str, Level]] = {
    "default": {},
    "strict": {
        rule.id: max(
            rule.level,
            Level.BREAKING if rule.effect is Effect.UNDECIDED else law(rule.effect, rule.direction),
            key=lambda level: level.severity,
        )
        for rule in RULES.values()
        if rule.id != facts.OPERATION_REMOVED_AFTER_SUNSET.undirected
    },
    "lenient-enums": {facts.ENUM_VALUE_ADDED.response: Level.WARNING},
    "closed-unions": {facts.UNION_BRANCH_ADDED.response: Level.BREAKING},
    "sdk": {
        facts.OPERATION_ID_CHANGED.undirected: Level.BREAKING,
        facts.OPERATION_ID_REMOVED.undirected: Level.BREAKING,
        facts.OPERATION_TAG_REMOVED.undirected: Level.WARNING,
        facts.OPERATION_TAG_ADDED.undirected: Level.WARNING,
    },
}
_IGNORE = "ignore"


class RuleLevels:
    """The levels of the rules: from a preset and from the user. The levels from the user have priority."""

    def __init__(self, preset: str, overrides: Mapping[str, Level | str]) -> None:
        if preset not in PRESETS:
            raise CompareError("", f"unknown preset {preset!r}: use one of {', '.join(PRESETS)}")
        self._levels: dict[str, Level | None] = {rule.id: rule.level for rule in RULES.values()}
        self._levels |= PRESETS[preset]
        for name, level in overrides.items():
            for rule in _rule_ids(name):
                self._levels[rule] = _level(name, level)

    def level(self, rule: str) -> Level | None:
        """Return the level of a rule; None if the user has set the level `ignore`."""
        return self._levels[rule]


def _rule_ids(name: str) -> list[str]:
    if name in RULES:
        return [name]
    aliased = [rule.id for rule in RULES.values() if name in rule.aliases]
    if not aliased:
        near = difflib.get_close_matches(name, RULES, n=1)
        hint = f"Did you mean {near[0]}?" if near else "`infra dev api-check --list-rules` prints all rules."
        raise CompareError("", f"unknown rule {name!r}", hint=hint)
    return aliased


def _level(name: str, level: Level | str) -> Level | None:
    if level == _IGNORE:
        return None
    try:
        return Level(level)
    except ValueError as error:
        levels = ", ".join([*Level, _IGNORE])
        raise CompareError("", f"unknown level {level!r} for {name}: use one of {levels}") from error
