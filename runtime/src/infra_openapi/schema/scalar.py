"""Compare keywords that restrict a single value of a schema: types, bounds, formats and patterns."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from infra_openapi import facts
from infra_openapi.document import Element
from infra_openapi.facts import FactKind
from infra_openapi.rules.bounds import BOUNDS
from infra_openapi.schema import enumeration, text_patterns
from infra_openapi.schema.change import Change
from infra_openapi.schema.format import HINTS, NUMERIC, WIDER
from infra_openapi.schema.node import (
    ALL_TYPES,
    Bound,
    Facet,
    Node,
    narrower_end,
    type_of,
)

#: A property with one of these keywords can be required in requests only or in responses only.
_CONDITIONAL = frozenset({"readOnly", "writeOnly", "$ref", "allOf", "$dynamicRef"})
_RANGES = {
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}
#: Keyword → the facts for an added and for a removed keyword.
_ADDED_REMOVED: dict[str, tuple[FactKind, FactKind]] = {
    **{keyword: (bound.added, bound.removed) for keyword, bound in BOUNDS.items()},
    "multipleOf": (facts.MULTIPLE_OF_ADDED, facts.MULTIPLE_OF_REMOVED),
    "uniqueItems": (facts.UNIQUE_ITEMS_ADDED, facts.UNIQUE_ITEMS_REMOVED),
}


def types(old: Node, new: Node, change: Change) -> frozenset[str]:
    """Add facts about changed types of a schema, and return the types that the old and the new schema share.

    The caller then compares the keywords of the shared types.
    """
    before, after = _types(old, change), _types(new, change)
    null = {"null"}
    if change.mode.nullless:
        before, after = before - null, after - null
    elif ALL_TYPES not in (old.types, new.types) and before & after - null:
        # If the schemas share another type, a change of the type null has its own fact. Otherwise null is
        # compared like the other types.
        if "null" in before ^ after:
            kind = facts.BECAME_NULLABLE if "null" in after else facts.BECAME_NOT_NULLABLE
            change.fact(kind, _of_type(old), _of_type(new), old.type_names, new.type_names)
        before, after = before - null, after - null
    shared = before & after
    narrowed, widened = bool(before - after), bool(after - before)
    was_integral, is_integral = _integral(old, change), _integral(new, change)
    # The enumerated values are compared instead of the types.
    both_enumerate = "number" in old.values and "number" in new.values
    if "number" in shared and was_integral != is_integral and not both_enumerate:
        # Multiples of an integer are integers, also with the type `number`.
        narrowed = narrowed or (is_integral and not _has_integer_step(old))
        widened = widened or (was_integral and not _has_integer_step(new))
    if narrowed or widened:
        if (before ^ after) and enumeration.by_values(old, new, before - after, after - before, change):
            return shared
        _add_type_fact(old, new, change, narrowed, widened)
    return shared


def _add_type_fact(old: Node, new: Node, change: Change, narrowed: bool, widened: bool) -> None:
    if old.type_names == new.type_names:
        return  # only keywords for strings have changed; these keywords have their own facts
    name = (
        facts.TYPE_CHANGED
        if narrowed and widened
        else facts.TYPE_NARROWED
        if narrowed
        else facts.TYPE_WIDENED
    )
    change.fact(name, _of_type(old), _of_type(new), old.type_names, new.type_names)


def _of_type(node: Node) -> Element | None:
    return node.type_element or node.element


def _types(node: Node, change: Change) -> frozenset[str]:
    """Return the types that a schema allows.

    If the values are sent as text (for example in a URL), a string without restrictions also includes numbers
    and booleans.
    """
    if change.mode.text and _allows_any_text(node):
        return node.types | {"number", "boolean"}
    return node.types


def _integral(node: Node, change: Change) -> bool:
    return node.integral and not (change.mode.text and _allows_any_text(node))


def _has_integer_step(node: Node) -> bool:
    return "multipleOf" in node.facets and Fraction(str(node.facets["multipleOf"].value)).denominator == 1


def _allows_any_text(node: Node) -> bool:
    restricted = {"minLength", "maxLength"} & set(node.facets)
    return "string" in node.types and not (
        restricted or node.patterns or node.formats or "string" in node.values
    )


def facets(old: Node, new: Node, shared: frozenset[str], change: Change) -> None:
    """Add facts about the keywords of the types in `shared`: bounds, `multipleOf`, patterns and formats.

    `shared` contains the types that both the old and the new schema allow, without those of which one of the
    schemas enumerates values.
    """
    allowed_types = old.types | new.types
    for name in sorted({*old.facets, *new.facets} - {"enum"}):
        # A keyword for a type that is not allowed has no effect, but its change is still reported.
        if type_of(name) in shared or type_of(name) not in allowed_types:
            _facet(name, old, new, change)
    if "string" in shared or "string" not in allowed_types:
        text_patterns.patterns(old, new, change)
    _formats(old, new, shared, change)


def _facet(name: str, old: Node, new: Node, change: Change) -> None:
    before, after = old.facets.get(name), new.facets.get(name)
    old_element, new_element = (
        before.element if before else old.element,
        after.element if after else new.element,
    )
    old_value, new_value = _json_value(before), _json_value(after)
    if (name == "multipleOf" and _has_no_effect_on_integers(before, old, after, new)) or _implied_count(
        name, old, new
    ):
        return
    if text_patterns.implied_length(name, old, new, change):
        return
    added, removed = _ADDED_REMOVED[name]
    if before is None or after is None:
        change.fact(added if before is None else removed, old_element, new_element, old_value, new_value)
    elif before.value == after.value:
        return
    elif name == "multipleOf":
        change.fact(
            _multiple_of_change(before.value, after.value), old_element, new_element, old_value, new_value
        )
    else:
        if isinstance(before.value, Bound):
            narrower = narrower_end(name, after.value, before.value)
            increased = narrower if name == "minimum" else not narrower
        else:
            increased = after.value > before.value
        kind = BOUNDS[name].increased if increased else BOUNDS[name].decreased
        change.fact(kind, old_element, new_element, old_value, new_value)


def _has_no_effect_on_integers(before: Facet | None, old: Node, after: Facet | None, new: Node) -> bool:
    """Return whether an added or removed `multipleOf` has no effect, because the schema allows only integers.

    The keyword has no effect if every integer is a multiple of its value, such as 1 or 0.5.
    """
    if before is not None and after is not None:
        return False
    node, step = (old, after) if before is None else (new, before)
    return node.integral and step is not None and Fraction(str(step.value)).numerator == 1


def _implied_count(name: str, old: Node, new: Node) -> bool:
    """Return whether a changed `minProperties` or `uniqueItems` has no effect on the allowed values.

    A change of `minProperties` has no effect if the schema requires at least as many properties. A change of
    `uniqueItems` has no effect if arrays have at most one item.
    """
    if name == "uniqueItems":
        return all("maxItems" in node.facets and node.facets["maxItems"].value <= 1 for node in (old, new))
    if name != "minProperties":
        return False
    before, after = (
        max(node.facets[name].value if name in node.facets else 0, _always_required(node))
        for node in (old, new)
    )
    return bool(before == after)


def _always_required(node: Node) -> int:
    """Return the minimum number of properties that are required in requests and in responses.

    A read-only property is not required in requests, and a write-only property is not required in responses.
    A property whose schema contains a reference or `allOf` is not counted, because it can be such a property.
    """
    required = (node.properties.get(name, ()) for name in node.required)
    return sum(
        not any(isinstance(element.raw, dict) and _CONDITIONAL & element.raw.keys() for element in term)
        for term in required
    )


def _json_value(facet: Facet | None) -> Any:
    if facet is None:
        return None
    return facet.value.to_json() if isinstance(facet.value, Bound) else facet.value


def _multiple_of_change(before: float, after: float) -> FactKind:
    old_value, new_value = Fraction(str(before)), Fraction(str(after))
    if (old_value / new_value).denominator == 1:
        return facts.MULTIPLE_OF_WIDENED
    return (
        facts.MULTIPLE_OF_NARROWED if (new_value / old_value).denominator == 1 else facts.MULTIPLE_OF_CHANGED
    )


def _formats(old: Node, new: Node, shared: frozenset[str], change: Change) -> None:
    allowed_types = old.types | new.types
    before, after = _relevant(old, shared, allowed_types), _relevant(new, shared, allowed_types)
    removed = [name for name in sorted(before) if name not in after and not _implied(name, old, after)]
    added = [name for name in sorted(after) if name not in before and not _implied(name, new, before)]
    if removed and added:
        old_format, new_format = removed.pop(0), added.pop(0)
        change.fact(
            _format_change(old_format, new_format),
            before[old_format],
            after[new_format],
            old_format,
            new_format,
        )
    for name in removed:
        if not _is_in_format_range(new, name):
            change.fact(facts.FORMAT_REMOVED, before[name], new.element, name, None)
    for name in added:
        if not _is_in_format_range(old, name):
            is_standard = name in WIDER or name in NUMERIC
            change.fact(
                facts.FORMAT_ADDED if is_standard else facts.UNKNOWN_FORMAT_ADDED,
                old.element,
                after[name],
                None,
                name,
            )


def _format_change(before: str, after: str) -> FactKind:
    if after in WIDER.get(before, ()):
        return facts.FORMAT_WIDENED
    if before in WIDER.get(after, ()):
        return facts.FORMAT_NARROWED
    return facts.FORMAT_CHANGED if before in WIDER or after in WIDER else facts.UNKNOWN_FORMAT_CHANGED


def _implied(name: str, node: Node, other_formats: dict[str, Element]) -> bool:
    """Return whether a format of the schema that is also in `other_formats` implies the format `name`."""
    return any(
        implying in node.formats and implying in other_formats
        for implying in WIDER
        if name in WIDER[implying]
    )


def _relevant(node: Node, shared: frozenset[str], allowed_types: frozenset[str]) -> dict[str, Element]:
    formats = {}
    for name, element in node.formats.items():
        kind = {"number"} if name in NUMERIC else {"string"} if name in WIDER else {"number", "string"}
        if name not in HINTS and (kind & shared or not kind & allowed_types):
            formats[name] = element
    return formats


def _is_in_format_range(node: Node, name: str) -> bool:
    """Return whether `minimum` and `maximum` of a schema are inside the range of an integer format.

    Integer formats are, for example, `int32` and `int64`.
    """
    low, high = node.facets.get("minimum"), node.facets.get("maximum")
    if name not in _RANGES or not node.integral or low is None or high is None:
        return False
    minimum, maximum = _RANGES[name]
    return bool(minimum <= low.value.value and high.value.value <= maximum)
