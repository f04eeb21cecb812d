"""Create the findings of a comparison: each fact of the change graph gets a rule, a level and a message.

The change graph contains each change once, with links to the operations that it affects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterator
from dataclasses import replace
from typing import Any

from infra_openapi import description, facts
from infra_openapi.change_graph import ChangeGraph, Scope, copies
from infra_openapi.description import describe
from infra_openapi.document import Element
from infra_openapi.document.pointer import tokens
from infra_openapi.finding import Finding, Level, Location, Operation
from infra_openapi.identity import identity, unnamed
from infra_openapi.rules import RULES
from infra_openapi.rules.advice import advice
from infra_openapi.schema.change import Fact
from infra_openapi.schema.inclusion import harms
from infra_openapi.severity import RuleLevels
from infra_openapi.witness import Witnesses

#: The maximum length of a value in a message, in characters.
_MAX_CHARACTERS = 80
#: The maximum number of values of an enumeration in a message.
_MAX_VALUES = 10
#: Matches an exclusive bound as `Bound.to_json` writes it, such as `exclusive 5`.
_EXCLUSIVE = re.compile(r"exclusive ([-+.\de]+)")
#: The result of `description.container` starts with one of these phrases for a header or link in
#: `components`. Several responses can share this header or link, so the message names no response.
_SHARED_PARTS = ("the header ", "the link ")


def findings(
    graph: ChangeGraph, starts: list[tuple[Scope, Operation | None, bool]], rule_levels: RuleLevels
) -> tuple[Finding, ...]:
    """Return a finding for each distinct fact that affects an operation, sorted by level (breaking first).

    If the documents have no operations, the facts about schemas of `components` are returned. Facts whose
    rule has the level `ignore` are omitted. A finding that affects only operations with the stability level
    `draft` or `alpha` has the level info.
    """
    reached = graph.reach([scope for scope, _, _ in starts])
    unstable = sum(1 << bit for bit, (_, _, is_unstable) in enumerate(starts) if is_unstable)
    scopes_by_fact: dict[Hashable, list[tuple[Scope, Fact]]] = {}
    for scope in graph.scopes:
        for fact in scope.facts:
            scopes_by_fact.setdefault(_identity(fact), []).append((scope, fact))
    result = []
    witnesses = Witnesses(graph.schemas)
    operations_by_bits: dict[int, tuple[Operation, ...]] = {}
    for occurrences in scopes_by_fact.values():
        scope, fact = occurrences[0]
        rule = fact.kind.rule(fact.direction)
        level = rule_levels.level(rule)
        bits = 0
        for occurrence, _ in occurrences:
            bits |= reached[occurrence.number]
        if level is None or not bits:
            continue
        if not bits & ~unstable:
            level = Level.INFO  # the stability levels `draft` and `alpha` guarantee no compatibility
        if bits not in operations_by_bits:
            operations_by_bits[bits] = _operations(bits, starts)
        finding = _finding(scope, fact, rule, level, operations_by_bits[bits])
        if level is Level.BREAKING and scope.pair is not None:
            is_only_fact = not any(harms(scope_fact) for scope_fact in scope.facts if scope_fact is not fact)
            finding = replace(finding, witness=witnesses.of(scope.pair, fact, is_only_fact=is_only_fact))
        result.append(finding)
    return tuple(sorted(result, key=_order))


def _operations(bits: int, starts: list[tuple[Scope, Operation | None, bool]]) -> tuple[Operation, ...]:
    operations = {starts[bit][1] for bit in range(bits.bit_length()) if bits >> bit & 1}
    return tuple(sorted(name for name in operations if name is not None))


def _identity(fact: Fact) -> Hashable:
    return (
        fact.kind,
        fact.direction,
        _key(fact.base),
        _key(fact.revision),
        _text(fact.before),
        _text(fact.after),
        fact.subject,
    )


def _key(element: Element | None) -> tuple[str, str] | None:
    return None if element is None else (element.file, element.pointer)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _order(finding: Finding) -> tuple[Any, ...]:
    location = finding.location
    written_at = (location.file, location.pointer) if location else ("", "")
    return (
        -finding.level.severity,
        *written_at,
        finding.rule,
        finding.subject,
        _text([finding.before, finding.after]),
    )


def _finding(scope: Scope, fact: Fact, rule: str, level: Level, operations: tuple[Operation, ...]) -> Finding:
    element = fact.revision or fact.base
    words = _words(scope, fact, element)
    subject = fact.subject or (describe(element) if element is not None else "the API")
    return Finding(
        rule=rule,
        level=level,
        direction=fact.direction,
        message=RULES[rule].message.format(**words),
        advice=advice(RULES[rule], level).format(**words),
        subject=subject,
        base=_location(fact.base),
        revision=_location(fact.revision),
        operations=operations,
        before=fact.before,
        after=fact.after,
        copies=tuple(_copies(scope, fact)),
        identity=identity(fact),
        unnamed=unnamed(fact),
    )


def _words(scope: Scope, fact: Fact, changed: Element | None) -> dict[str, str]:
    """Return the values for the placeholders in a rule's message (`Rule.message`)."""
    called_by_api = _called_by_api(scope)
    element = old_element = container = containing_object = "the API"
    if fact.base is not None:
        old_element = description.element_phrase(fact.base, fact.direction, called_by_api=called_by_api)
    if changed is not None:
        element = description.element_phrase(changed, fact.direction, called_by_api=called_by_api)
        containing_object = description.object_phrase(changed, fact.direction, called_by_api=called_by_api)
        container = description.container(changed, fact.subject, fact.direction, called_by_api=called_by_api)
    kind, separator, name = fact.subject.partition(" parameter ")
    if not separator:
        kind, separator, name = fact.subject.rpartition("form field ")
    return {
        "element": element,
        "old_element": old_element,
        "object": containing_object,
        "container": container,
        "in_container": "" if container.startswith(_SHARED_PARTS) else f" in {container}",
        "subject": as_text(fact.subject),
        "name": fact.subject,
        "parameter": f"{kind}{separator}{as_text(name)}",
        "other": as_text(fact.subject.partition(" → ")[0]),
        "before": as_text(fact.before),
        "after": as_text(fact.after),
        "transition": _transition(fact.before, fact.after),
        "values": _values(fact.after if fact.before is None else fact.before),
        "url": _changed_urls(fact) if fact.kind is facts.SECURITY_URL_CHANGED else "",
        "sunset": (
            f"with the sunset date {fact.after}" if isinstance(fact.after, str) else "without a sunset date"
        ),
    }


def _transition(before: Any, after: Any) -> str:
    """Return the change of a keyword as text: ` from 1 to no value`. Without values, the text is empty."""
    if before is None and after is None:
        return ""
    old, new = ("no value" if value is None else as_text(value) for value in (before, after))
    return f" from {old} to {new}"


def _values(values: Any) -> str:
    """Return the values of an enumeration as text: `value 'a'`, or `values 'a', 'b' and 3 more`."""
    if not isinstance(values, list):
        return ""
    if not values:  # the other keywords exclude all enumerated values
        return "values []"
    texts = [as_text(value) for value in values]
    if len(texts) == 1:
        return f"value {texts[0]}"
    visible_texts = texts[:_MAX_VALUES]
    last_text = (
        f"{len(texts) - len(visible_texts)} more" if len(texts) > len(visible_texts) else visible_texts.pop()
    )
    return f"values {', '.join(visible_texts)} and {last_text}"


def _changed_urls(fact: Fact) -> str:
    """Return a noun phrase for the changed URL of an OAuth flow: "the `tokenUrl` of the flow 'password'".

    Two URLs of a flow are one finding if both have changed from the same old URL to the same new URL.
    """
    old, new = fact.base, fact.revision
    if old is None or new is None:
        return "a URL"
    keys = [key for key in old.raw if old.value(key) == fact.before and new.value(key) == fact.after]
    return f"the {' and '.join(f'`{key}`' for key in keys)} of the flow {as_text(tokens(new.pointer)[-1])}"


def _called_by_api(scope: Scope | None) -> bool:
    """Return whether a part belongs to a callback or webhook, where the API sends the request."""
    while scope is not None:
        element = scope.revision or scope.base
        if element is not None and re.search(r"^/(?:x-)?webhooks/|/callbacks/", element.pointer):
            return True
        scope = scope.parent
    return False


def _copies(scope: Scope, fact: Fact) -> Iterator[Location]:
    element, revision = (fact.revision, True) if fact.revision is not None else (fact.base, False)
    if element is not None:
        copy_locations = dict.fromkeys(copies(scope, element, revision=revision))
        copy_locations.pop((element.file, element.pointer), None)
        for file, pointer in copy_locations:
            yield element.document.location(file, pointer)


def _location(element: Element | None) -> Location | None:
    return None if element is None else element.location()


def as_text(value: Any) -> str:
    """Return a value as text for a message, shortened: a string in quotes, any other value as JSON.

    The strings of a list of strings are in quotes, separated by commas, with `or` before the last string. An
    exclusive bound has no quotes: `5 (exclusive)`.
    """
    if isinstance(value, str):
        exclusive = _EXCLUSIVE.fullmatch(value)
        return f"{exclusive[1]} (exclusive)" if exclusive else f"'{_shortened(value)}'"
    if isinstance(value, list) and value and all(isinstance(member, str) for member in value):
        *first_texts, last_text = (f"'{member}'" for member in value)
        return _shortened(f"{', '.join(first_texts)} or {last_text}" if first_texts else last_text)
    return _shortened(json.dumps(value, ensure_ascii=False, default=str))


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else text[: _MAX_CHARACTERS - 1] + "…"
