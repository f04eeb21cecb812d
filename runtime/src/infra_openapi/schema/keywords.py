"""Read the keywords of one schema in every version of OpenAPI; keywords that have no effect are ignored."""

from __future__ import annotations

import math
from typing import Any

from infra_openapi.document import Element
from infra_openapi.schema.node import (
    ALL_TYPES,
    COUNTS,
    Bound,
    Condition,
    Containment,
    Facet,
    Term,
)

_OPAQUE = ("unevaluatedItems", "propertyDependencies", "contentEncoding", "contentMediaType", "contentSchema")
_ITEM_KEYWORDS = frozenset(
    {"items", "contains", "allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas", "$ref", "$dynamicRef"}
)
#: Frequent patterns that match every string, if line ends in the string are ignored.
_UNIVERSAL = frozenset(
    {"", "^", "$", ".*", "^.*", ".*$", "^.*$", "[\\s\\S]*", "^[\\s\\S]*$", "(.*)", "^(.*)$"}
)


def types(element: Element) -> tuple[frozenset[str], bool]:
    """Return the types that a schema allows, and whether the numbers that it allows must be integers."""
    raw = element.raw
    declared = raw.get("type")
    if declared is None:
        return ALL_TYPES, False
    names = declared if isinstance(declared, list) else [declared]
    valid_names = {
        name for name in names if isinstance(name, str) and (name in ALL_TYPES or name == "integer")
    }
    if len(valid_names) != len(names):
        element.document.note(
            element, f"the schema has the unknown type {declared!r}, which the comparison ignores"
        )
        if not valid_names:
            return ALL_TYPES, False
    if raw.get("nullable") is True:
        valid_names.add("null")
    integral = "integer" in valid_names and "number" not in valid_names
    if "integer" in valid_names:
        valid_names = (valid_names - {"integer"}) | {"number"}
    return frozenset(valid_names), integral


def _number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def facets(element: Element, integral: bool) -> dict[str, Facet]:
    """Return those keywords of a schema that have a number or a boolean as value, such as `maximum`."""
    raw = element.raw
    limits: dict[str, Facet] = {}
    for name, (_, no_effect) in COUNTS.items():
        value = _count(raw, name)
        if value not in {None, no_effect} and not name.endswith("Contains"):
            limits[name] = Facet(value=value, element=element)
    for name, strict in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        bound = _bound(raw, name, strict)
        if bound is not None:
            limits[name] = Facet(value=bound, element=element)
    step = raw.get("multipleOf")
    if _number(step) and step > 0 and not (integral and step == 1):
        limits["multipleOf"] = Facet(value=step, element=element)
    if raw.get("uniqueItems") is True:
        limits["uniqueItems"] = Facet(value=True, element=element)
    if _allows_everything(raw.get("contains")):
        # Every item matches the schema in `contains`, so only the number of items is restricted.
        minimum, maximum = _contains_counts(raw)
        if minimum > limits.get("minItems", Facet(value=0, element=element)).value:
            limits["minItems"] = Facet(value=minimum, element=element)
        if (
            maximum is not None
            and maximum < limits.get("maxItems", Facet(value=math.inf, element=element)).value
        ):
            limits["maxItems"] = Facet(value=maximum, element=element)
    return limits


def contains(element: Element) -> tuple[Containment, ...]:
    """Return the schema in `contains`, with the minimum and maximum number of matching items.

    The result is an empty tuple if `contains` is missing or has no effect.
    """
    inner = element.child("contains")
    minimum, maximum = _contains_counts(element.raw)
    if inner is None or _allows_everything(inner.raw) or (minimum == 0 and maximum is None):
        return ()
    return (Containment(term=(inner,), minimum=minimum, maximum=maximum, element=element),)


def _contains_counts(raw: dict[str, Any]) -> tuple[int, int | None]:
    minimum, maximum = _count(raw, "minContains"), _count(raw, "maxContains")
    return 1 if minimum is None else minimum, maximum


def _count(raw: dict[str, Any], name: str) -> int | None:
    """Return the value of a keyword that is a number of characters, items or properties, as an integer.

    The result is None if the value is missing or not a number. A negative minimum becomes 0, and a fraction
    becomes the nearest integer with the same effect. In JSON Schema, `1.0` is the integer 1.
    """
    value: Any = raw.get(name)
    if not _number(value):
        return None
    rounded: int = math.ceil(value) if name.startswith("min") else math.floor(value)
    return max(0, rounded) if name.startswith("min") else rounded


def _allows_everything(raw: Any) -> bool:
    return raw is True or raw == {}


def _bound(raw: dict[str, Any], name: str, strict: str) -> Bound | None:
    """Return the lower bound of a number (`minimum`, `exclusiveMinimum`) or the upper bound (`maximum`, …).

    In OpenAPI 3.0, `exclusiveMinimum` and `exclusiveMaximum` are booleans; in 3.1, they are numbers.
    """
    lower = name == "minimum"
    ends: list[Bound] = []
    if _number(raw.get(name)):
        ends.append(Bound(value=raw[name], exclusive=raw.get(strict) is True))
    if _number(raw.get(strict)):
        ends.append(Bound(value=raw[strict], exclusive=True))
    if not ends:
        return None
    return (
        max(ends, key=lambda end: (end.value, end.exclusive))
        if lower
        else min(ends, key=lambda end: (end.value, not end.exclusive))
    )


def patterns(element: Element) -> dict[str, Element]:
    """Return the `pattern` of a schema with its element; empty without it, or if it is in `_UNIVERSAL`."""
    pattern = element.raw.get("pattern")
    return {pattern: element} if isinstance(pattern, str) and pattern not in _UNIVERSAL else {}


def schema(element: Element, key: str) -> Term | None:
    """Return the schema that is the value of a keyword, such as `additionalProperties`.

    The result is None if the keyword is missing, or if the schema under the keyword allows every value.
    """
    inner = element.child(key)
    if inner is None or inner.raw is True or inner.raw == {} or inner.raw is None:
        return None
    return (inner,)


def items(element: Element) -> Term | None:
    """Return the schema of those array items that follow the items of `prefixItems`."""
    if _unevaluated_means_items(element.raw):
        return schema(element, "unevaluatedItems")
    # In JSON Schema before 2020-12, an array under `items` has the meaning of `prefixItems`.
    return schema(element, "additionalItems" if isinstance(element.raw.get("items"), list) else "items")


def _unevaluated_means_items(raw: dict[str, Any]) -> bool:
    """Return whether `unevaluatedItems` has the effect of `items`: no other keyword applies to items."""
    return "unevaluatedItems" in raw and _ITEM_KEYWORDS.isdisjoint(raw)


def prefix(element: Element) -> tuple[Term, ...]:
    """Return the schemas of the first items of an array (`prefixItems`), in the order of the items."""
    key = "items" if isinstance(element.raw.get("items"), list) else "prefixItems"
    return tuple((schema,) for schema in element.items(key))


def schemas_by_name(element: Element, key: str) -> dict[str, Term]:
    """Return the schemas in the object under a keyword, such as `properties`, as a dictionary by name."""
    if key not in element.raw:
        return {}
    return {name: (schema,) for name, schema in element.mapping(key).items()}


def required(element: Element) -> dict[str, Element]:
    """Return the names of the required properties of a schema, each with the element of `required`."""
    # A boolean `required` is a keyword of parameters; it has no effect in schemas.
    names = element.raw.get("required")
    return (
        {name: element for name in names if isinstance(name, str) and name} if isinstance(names, list) else {}
    )


def formats(element: Element) -> dict[str, Element]:
    """Return a mapping from each format of a schema to the element that contains it.

    Newer versions of JSON Schema express some formats with other keywords, such as `contentEncoding`.
    """
    raw = element.raw
    if isinstance(raw.get("format"), str):
        return {raw["format"]: element}
    if raw.get("contentEncoding") == "base64":
        return {"byte": element}
    if raw.get("contentMediaType") == "application/octet-stream" and "contentEncoding" not in raw:
        return {"binary": element}
    return {}


def opaque(element: Element) -> dict[str, Facet]:
    """Return those keywords of a schema that the comparison does not interpret."""
    names = [name for name in _OPAQUE if name in element.raw]
    if _unevaluated_means_items(element.raw):
        names.remove("unevaluatedItems")
    if "format" not in element.raw and formats(element):
        names = [name for name in names if element.raw[name] not in {"base64", "application/octet-stream"}]
    return {name: Facet(value=element.raw[name], element=element) for name in names}


def dependent(element: Element) -> dict[str, tuple[frozenset[str], Element]]:
    """Return a dictionary: the name of a property → the required names, and the element that lists them.

    An object that contains the property must also contain the properties with the required names. The names
    are in `dependentRequired`, `dependencies`, or a schema of `dependentSchemas` that contains only
    `required`.
    """
    required: dict[str, tuple[frozenset[str], Element]] = {}
    for key in ("dependentRequired", "dependencies", "dependentSchemas"):
        for name, schema in element.mapping(key).items():
            required_names = schema.raw if isinstance(schema.raw, list) else _only_required(schema.raw)
            if required_names is not None:
                earlier_names = required[name][0] if name in required else frozenset()
                required[name] = (
                    earlier_names
                    | {
                        name_of_property
                        for name_of_property in required_names
                        if isinstance(name_of_property, str)
                    },
                    schema,
                )
    return required


def dependent_schemas(element: Element) -> dict[str, Term]:
    """Return the schemas of `dependentSchemas` and `dependencies`: the name of a property → a schema.

    The schema applies to an object that contains the property. A schema that contains only `required` is
    omitted, because `dependent` returns its names.
    """
    schemas: dict[str, Term] = {}
    for key in ("dependentSchemas", "dependencies"):
        for name, schema in element.mapping(key).items():
            if isinstance(schema.raw, dict | bool) and _only_required(schema.raw) is None:
                schemas[name] = (schema,)
    return schemas


def _only_required(raw: Any) -> list[Any] | None:
    """Return the list under `required` if a schema has no other keyword; otherwise None."""
    if isinstance(raw, dict) and raw.keys() == {"required"} and isinstance(raw["required"], list):
        return raw["required"]
    return None


def excluded(element: Element) -> frozenset[str]:
    """Return the types that the keyword `not` of a schema excludes completely."""
    raw = element.raw.get("not")
    if _allows_everything(raw):
        return ALL_TYPES
    if not isinstance(raw, dict) or raw.keys() != {"type"}:
        return frozenset()
    names = raw["type"] if isinstance(raw["type"], list) else [raw["type"]]
    return frozenset(name for name in names if isinstance(name, str) and name in ALL_TYPES)


def doubly_negated(element: Element) -> list[Element]:
    """Return the schema in a `not` that is inside another `not`; an empty list if there is none.

    A schema that is negated twice has the effect of the schema itself.
    """
    inner = element.child("not")
    if inner is None or not isinstance(inner.raw, dict) or inner.raw.keys() != {"not"}:
        return []
    inner_schema = inner.child("not")
    return [] if inner_schema is None else [inner_schema]


def negations(element: Element) -> tuple[Term, ...]:
    """Return the schema in the keyword `not` of a schema.

    The result is empty if `not` is missing or `false`, or if `excluded` or `doubly_negated` already returns
    the effect of `not`.
    """
    inner = element.child("not")
    if inner is None or inner.raw is False or excluded(element) or doubly_negated(element):
        # `not` with the type `integer` does not exclude all numbers.
        excludes_integer = (
            inner is not None and isinstance(inner.raw, dict) and "integer" in (inner.raw.get("type") or ())
        )
        return ((inner,),) if inner is not None and excludes_integer else ()
    return ((inner,),)


def conditions(element: Element) -> tuple[Condition, ...]:
    """Return the keyword `if` of a schema with its `then` and `else`.

    The result is an empty tuple if `if` is missing, or if `then` and `else` are missing or allow every value,
    because `if` has no effect in this case.
    """
    when = element.child("if")
    then, otherwise = schema(element, "then"), schema(element, "else")
    if when is None or (then is None and otherwise is None):
        return ()
    return (Condition(when=(when,), then=then or (), otherwise=otherwise or (), element=element),)
