"""Compare the enumerated values of two schemas (`enum`, `const`).

Enumerated values that the other keywords of the same schema exclude are ignored. Each enumerated value of one
schema is checked against all keywords of the other schema.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from infra_openapi import facts
from infra_openapi.document import Element
from infra_openapi.schema import text_patterns
from infra_openapi.schema.change import Change
from infra_openapi.schema.contradiction import allows
from infra_openapi.schema.membership import Membership
from infra_openapi.schema.node import Node, canonical, kind_of

#: A range with at most this number of integers is treated like an enumeration, even if the enumeration of the
#: other schema has fewer values.
_MAX_RANGE = 64


def texts(old: Node, new: Node, change: Change) -> bool:
    """Compare two enumerations as text, where 1 and "1" are equal, and return whether this was possible.

    If the values are not sent as text, if both schemas allow the same types, or if one of the schemas also
    allows values that are not enumerated, the result is False and no fact is added.
    """
    if not change.mode.text or old.types == new.types:
        return False
    before, after = _as_text(old), _as_text(new)
    if not before or not after:
        return False
    old_element, new_element = _enum_element(old), _enum_element(new)
    removed = [before[text] for text in sorted(before.keys() - after.keys())]
    added = [after[text] for text in sorted(after.keys() - before.keys())]
    _changed(old_element, new_element, removed, added, change)
    return True


def _changed(
    old: Element | None, new: Element | None, removed: list[Any], added: list[Any], change: Change
) -> None:
    """Add a fact for all removed values of an enumeration, and a fact for all added values."""
    if removed:
        change.fact(facts.ENUM_VALUE_REMOVED, old, new, removed, None, _subject(removed))
    if added:
        change.fact(facts.ENUM_VALUE_ADDED, old, new, None, added, _subject(added))


def _subject(values: list[Any]) -> str:
    return ", ".join(map(canonical, values))


def _as_text(node: Node) -> dict[str, Any]:
    if node.types - node.values.keys() - {"boolean"}:
        return {}
    values = [value for enumerated in node.values.values() for value in enumerated.values()]
    if "boolean" in node.types - node.values.keys():
        values += [True, False]
    return {value if isinstance(value, str) else canonical(value): value for value in values}


def values(
    old: Node, new: Node, shared: frozenset[str], change: Change, member: Membership
) -> frozenset[str]:
    """Add facts about changed enumerated values of the types in `shared`.

    The result contains those types in `shared` for which neither schema enumerates values.
    The caller compares the other keywords of the returned types.
    """
    uncompared = set(shared)
    for name in sorted(shared):
        before, after = (
            _allowed_values(_listed(node, name, other), node, member)
            for node, other in ((old, new), (new, old))
        )
        if before is None and after is None:
            continue
        uncompared.discard(name)
        old_element, new_element = _enum_element(old) or old.element, _enum_element(new) or new.element
        if name == "string" and _pattern_lists_values(old, before, new, after):
            continue
        if before is None:
            change.fact(facts.ENUM_ADDED, old.element, new_element, None, list((after or {}).values()))
        elif after is None:
            change.fact(facts.ENUM_REMOVED, old_element, new.element, list(before.values()), None)
        removed, undecided_removed = _rejected(before or {}, old, new, change, member)
        added, undecided_added = _rejected(after or {}, new, old, change, member)
        if before and after and len(before) == len(after) == len(removed) == len(added) == 1:
            change.fact(facts.CONST_CHANGED, old_element, new_element, removed[0], added[0])
            continue
        _changed(old_element, new_element, removed, added, change)
        if undecided_removed or undecided_added:
            old_values, new_values = (
                None if values is None else list(values.values()) for values in (before, after)
            )
            change.fact(facts.KEYWORD_UNDECIDED, old_element, new_element, old_values, new_values, "enum")
    return frozenset(uncompared)


def _pattern_lists_values(
    old: Node, before: dict[str, Any] | None, new: Node, after: dict[str, Any] | None
) -> bool:
    """Return whether the pattern of one schema matches exactly the enumerated values of the other schema."""
    with_pattern, enumerated, with_enum = (old, after, new) if before is None else (new, before, old)
    strings = [value for value in (enumerated or {}).values() if isinstance(value, str)]
    return (
        (before is None or after is None)
        and text_patterns.match_exactly(with_pattern, strings)
        and all(allows(with_pattern, text) for text in strings)
        and with_pattern.formats.keys() == with_enum.formats.keys()
    )


def _listed(node: Node, name: str, other_node: Node) -> dict[str, Any] | None:
    """Return the enumerated values that a schema has for the type `name`.

    If the schema allows a short range of integers, and the other schema enumerates numbers, the integers in
    this range are returned like enumerated values. The result is None if the schema has neither.
    """
    if name in node.values:
        return dict(node.values[name])
    low, high = node.facets.get("minimum"), node.facets.get("maximum")
    if name != "number" or name not in other_node.values or not (node.integral and low and high):
        return None
    step = Fraction(str(node.facets["multipleOf"].value)).numerator if "multipleOf" in node.facets else 1
    start, end = -(-low.value.value // step) * step, high.value.value
    # A longer range has numbers that the enumeration of the other schema does not contain.
    if (end - start) // step >= max(_MAX_RANGE, len(other_node.values[name])):
        return None
    return {canonical(number): number for number in range(start, end + 1, step) if allows(node, number)}


def _allowed_values(
    enumerated: dict[str, Any] | None, node: Node, member: Membership
) -> dict[str, Any] | None:
    """Return those enumerated values of a schema that the other keywords of the schema allow."""
    if enumerated is None:
        return None
    return {text: value for text, value in enumerated.items() if member.holds(node, value) is not False}


def _rejected(
    enumerated: dict[str, Any], node: Node, other_node: Node, change: Change, member: Membership
) -> tuple[list[Any], list[Any]]:
    """Return the values in `enumerated` that `other_node` rejects, and the values without a decision.

    `enumerated` contains the enumerated values of the schema `node`.
    """
    # A format that both schemas have does not reject values of `node`.
    formats = {name: element for name, element in other_node.formats.items() if name not in node.formats}
    other_node = replace(other_node, formats=formats)
    removed: list[Any] = []
    undecided: list[Any] = []
    for text, value in enumerated.items():
        as_text = change.mode.text and kind_of(value) not in other_node.types and "string" in other_node.types
        answer = member.holds(other_node, text if as_text else value)
        if answer is not True:
            (undecided if answer is None else removed).append(value)
    return removed, undecided


def by_values(
    old: Node, new: Node, removed_types: frozenset[str], added_types: frozenset[str], change: Change
) -> bool:
    """Add facts about removed and added values if both schemas only enumerate values, without a type.

    The result is True for two such schemas, and False for other schemas.
    """
    if (
        old.type_element
        or new.type_element
        or not (removed_types <= old.values.keys() and added_types <= new.values.keys())
    ):
        return False
    removed = [value for name in sorted(removed_types) for value in old.values[name].values()]
    added = [value for name in sorted(added_types) for value in new.values[name].values()]
    _changed(_enum_element(old), _enum_element(new), removed, added, change)
    return True


def _enum_element(node: Node) -> Element | None:
    facet = node.facets.get("enum")
    return facet.element if facet else node.element
