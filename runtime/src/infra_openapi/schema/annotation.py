"""Compare annotations of schemas: keywords that do not restrict values, such as `default`, `deprecated`."""

from __future__ import annotations

from typing import Any

from infra_openapi import facts, stability
from infra_openapi.document import Element
from infra_openapi.document.reference import resolve, target_of
from infra_openapi.errors import CompareError
from infra_openapi.schema.change import Change
from infra_openapi.schema.inclusion import Context
from infra_openapi.schema.node import Facet, Node, canonical

_STABILITY = {
    "decreased": facts.SCHEMA_STABILITY_DECREASED,
    "increased": facts.SCHEMA_STABILITY_INCREASED,
    "invalid": facts.SCHEMA_STABILITY_INVALID,
}


def compare(old: Node, new: Node, change: Change, context: Context) -> None:
    """Add facts about changed annotations of a schema, such as `default` and `deprecated`."""
    _default(old, new, change)
    _deprecated(old, new, change)
    _stability(old, new, change)
    _extensible(old, new, change)
    _discriminator(old, new, change, context)


def _default(old: Node, new: Node, change: Change) -> None:
    before, after = old.notes.get("default"), new.notes.get("default")
    if before is None and after is None:
        return
    old_element, new_element = (
        before.element if before else old.element,
        after.element if after else new.element,
    )
    old_value, new_value = before.value if before else None, after.value if after else None
    if before is None or after is None:
        kind = facts.DEFAULT_ADDED if before is None else facts.DEFAULT_REMOVED
        change.fact(kind, old_element, new_element, old_value, new_value)
    elif canonical(old_value) != canonical(new_value):
        change.fact(facts.DEFAULT_CHANGED, old_element, new_element, old_value, new_value)


def _deprecated(old: Node, new: Node, change: Change) -> None:
    before, after = old.notes.get("deprecated"), new.notes.get("deprecated")
    was, is_ = _true(before), _true(after)
    if is_ and not was and after:
        change.fact(
            facts.SCHEMA_DEPRECATED,
            old.element,
            after.element,
            None,
            (new.notes.get("x-sunset") or after).value,
        )
    elif was and not is_ and before:
        change.fact(facts.SCHEMA_REACTIVATED, before.element, new.element)


def _stability(old: Node, new: Node, change: Change) -> None:
    before, after = old.notes.get("x-stability-level"), new.notes.get("x-stability-level")
    if before is None and after is None:
        return
    old_level, new_level = (stability.level(facet.value if facet else None) for facet in (before, after))
    level_change = stability.change(old_level, new_level)
    if level_change:
        old_element, new_element = (
            before.element if before else old.element,
            after.element if after else new.element,
        )
        change.fact(_STABILITY[level_change], old_element, new_element, old_level, new_level)


def _true(facet: Facet | None) -> bool:
    return facet is not None and facet.value is True


def _extensible(old: Node, new: Node, change: Change) -> None:
    before, after = old.notes.get("x-extensible-enum"), new.notes.get("x-extensible-enum")
    if not (before and after and isinstance(before.value, list) and isinstance(after.value, list)):
        return
    old_values = {canonical(value): value for value in before.value}
    new_values = {canonical(value): value for value in after.value}
    for kind, listed_values, other_values in (
        (facts.EXTENSIBLE_ENUM_VALUE_REMOVED, old_values, new_values),
        (facts.EXTENSIBLE_ENUM_VALUE_ADDED, new_values, old_values),
    ):
        values = [value for text, value in listed_values.items() if text not in other_values]
        if values:
            removed, added = (values, None) if listed_values is old_values else (None, values)
            change.fact(
                kind, before.element, after.element, removed, added, ", ".join(map(canonical, values))
            )


def _discriminator(old: Node, new: Node, change: Change, context: Context) -> None:
    before, after = old.notes.get("discriminator"), new.notes.get("discriminator")
    if before is None or after is None:
        if before is not None:
            change.fact(facts.DISCRIMINATOR_REMOVED, before.element, new.element, _property(before), None)
        elif after is not None:
            change.fact(facts.DISCRIMINATOR_ADDED, old.element, after.element, None, _property(after))
        return
    if _property(before) != _property(after):
        change.fact(
            facts.DISCRIMINATOR_PROPERTY_CHANGED,
            before.element,
            after.element,
            _property(before),
            _property(after),
        )
    elements = before.element, after.element
    old_mapping, new_mapping = mapping(before.element), mapping(after.element)
    if not (_is_in_schema(old, before) or _is_in_schema(new, after)):
        # Both discriminators belong to base schemas. The comparison of the base schemas reports their
        # changes.
        return
    is_base_schema = not any(element.items(kind) for element in elements for kind in ("oneOf", "anyOf"))
    for value in sorted({**old_mapping, **new_mapping}):
        old_target, new_target = old_mapping.get(value), new_mapping.get(value)
        if new_target is None:
            change.fact(facts.DISCRIMINATOR_MAPPING_REMOVED, *elements, value, None, value)
        elif old_target is None:
            change.fact(facts.DISCRIMINATOR_MAPPING_ADDED, *elements, None, value, value)
        elif _name(old_target) != _name(new_target) and not context.schemas.same_term(
            (old_target,), (new_target,)
        ):
            change.fact(
                facts.DISCRIMINATOR_MAPPING_CHANGED,
                before.element,
                after.element,
                _name(old_target),
                _name(new_target),
                value,
            )
        elif is_base_schema:
            # A base schema includes each of its subtypes.
            change.pair((old_target,), (new_target,), value)


def _is_in_schema(node: Node, facet: Facet) -> bool:
    """Return whether a keyword is written in the schema itself, and not in a member of its `allOf`."""
    return facet.element.pointer in {element.pointer for element in node.elements}


def _property(facet: Facet) -> Any:
    return facet.value.get("propertyName") if isinstance(facet.value, dict) else facet.value


def _name(element: Element) -> str:
    return element.pointer.rpartition("/")[2] or element.file


def mapping(schema: Element) -> dict[str, Element]:
    """Return the schema for each value of a discriminator.

    The values are the keys of `mapping`, and the schema names of the alternatives that `mapping` does not
    contain.
    """
    discriminator = schema.child("discriminator")
    schemas: dict[str, Element] = {}
    if discriminator is None or not isinstance(discriminator.raw, dict):
        return schemas
    for value, target in discriminator.mapping("mapping").items():
        if isinstance(target.raw, str):
            ref = (
                target.raw if "/" in target.raw or "." in target.raw else f"#/components/schemas/{target.raw}"
            )
            try:
                schemas[value] = resolve(schema, ref)
            except CompareError:
                schema.document.note(
                    target,
                    f"the discriminator maps a value to the schema {target.raw!r}, which does not exist",
                )
    mapped = {(element.file, element.pointer) for element in schemas.values()}
    for kind in ("oneOf", "anyOf"):
        for branch in schema.items(kind):
            element = target_of(branch)
            if element is not None and (element.file, element.pointer) not in mapped:
                schemas.setdefault(_name(element), element)
    return schemas
