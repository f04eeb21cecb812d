"""From the book to the report: rules, levels, messages, and one order."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator
from dataclasses import replace
from typing import Any

from infra_openapi.document import Site
from infra_openapi.document.pointer import escaped
from infra_openapi.finding import Finding, Level, Operation, Origin
from infra_openapi.judgement import Judgement
from infra_openapi.ledger import Ledger, Scope, copies
from infra_openapi.place import called
from infra_openapi.rules import RULES
from infra_openapi.schema.change import Fact
from infra_openapi.schema.comparer import harms
from infra_openapi.witness import Witnesses

_LONGEST = 80


def findings(
    ledger: Ledger, starts: list[tuple[Scope, Operation | None, bool]], judgement: Judgement
) -> tuple[Finding, ...]:
    """Every fact of the book once, the worst first."""
    reached = ledger.reach([scope for scope, _, _ in starts])
    unstable = sum(1 << bit for bit, (_, _, loose) in enumerate(starts) if loose)
    met: dict[Hashable, list[tuple[Scope, Fact]]] = {}
    for scope in ledger.scopes:
        for fact in scope.facts:
            met.setdefault(_identity(fact), []).append((scope, fact))
    found = []
    witnesses = Witnesses(ledger.comparer)
    names: dict[int, tuple[Operation, ...]] = {}
    for same in met.values():
        scope, fact = same[0]
        rule, level = judgement.level(fact.name, fact.direction)
        bits = 0
        for other, _ in same:
            bits |= reached[other.number]
        if level is None or not bits:
            continue
        if not bits & ~unstable:
            level = Level.INFO  # draft and alpha promise nothing
        if bits not in names:
            names[bits] = _operations(bits, starts)
        finding = _finding(scope, fact, rule, level, names[bits])
        if level is Level.BREAKING and scope.pair is not None:
            alone = not any(harms(other) for other in scope.facts if other is not fact)
            finding = replace(finding, witness=witnesses.of(scope.pair, fact, alone=alone))
        found.append(finding)
    return tuple(sorted(found, key=_order))


def _operations(bits: int, starts: list[tuple[Scope, Operation | None, bool]]) -> tuple[Operation, ...]:
    found = {starts[bit][1] for bit in range(bits.bit_length()) if bits >> bit & 1}
    return tuple(sorted(name for name in found if name is not None))


def _identity(fact: Fact) -> Hashable:
    return (
        fact.name,
        fact.direction,
        _place(fact.base),
        _place(fact.revision),
        _text(fact.before),
        _text(fact.after),
        fact.subject,
    )


def _place(site: Site | None) -> tuple[str, str] | None:
    return None if site is None else (site.file, site.pointer)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _order(finding: Finding) -> tuple[Any, ...]:
    origin = finding.origin
    place = (origin.file, origin.pointer) if origin else ("", "")
    return (
        -finding.level.severity,
        *place,
        finding.rule,
        finding.subject,
        _text([finding.before, finding.after]),
    )


def _finding(scope: Scope, fact: Fact, rule: str, level: Level, operations: tuple[Operation, ...]) -> Finding:
    site = fact.revision or fact.base
    place = called(_holder(site, fact.subject)) if site is not None else "the API"
    subject = fact.subject or place
    message = RULES[rule].message.format(
        place=place, subject=subject, before=_shown(fact.before), after=_shown(fact.after)
    )
    return Finding(
        rule=rule,
        level=level,
        direction=fact.direction,
        message=message,
        subject=subject,
        base=_origin(fact.base),
        revision=_origin(fact.revision),
        operations=operations,
        before=fact.before,
        after=fact.after,
        copies=tuple(_copies(scope, fact)),
    )


def _holder(site: Site, subject: str) -> Site:
    """For a property, what it is a property of."""
    end = f"/properties/{escaped(subject)}"
    if subject and site.pointer.endswith(end):
        return Site(site.document, site.file, site.pointer.removesuffix(end), None)
    return site


def _copies(scope: Scope, fact: Fact) -> Iterator[Origin]:
    site, revision = (fact.revision, True) if fact.revision is not None else (fact.base, False)
    if site is not None:
        others = dict.fromkeys(copies(scope, site, revision=revision))
        others.pop((site.file, site.pointer), None)
        for file, pointer in others:
            yield site.document.origin(file, pointer)


def _origin(site: Site | None) -> Origin | None:
    return None if site is None else site.origin()


def _shown(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        text = ", ".join(value)
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
