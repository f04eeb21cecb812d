"""Find an example value that shows why a change is breaking, and check the value with jsonschema.

The search does not depend on the rule. It tries values at and beyond every bound of both schemas, and returns
the first value that is valid in only one of the documents. The example is therefore always correct.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from infra_openapi import facts
from infra_openapi.document import Element
from infra_openapi.document.reference import target_of
from infra_openapi.facts import FactKind
from infra_openapi.finding import Direction, Witness
from infra_openapi.rules.bounds import BOUNDS
from infra_openapi.schema import text_patterns
from infra_openapi.schema.candidates import Candidates
from infra_openapi.schema.change import Fact, Pair
from infra_openapi.schema.comparer import Comparer
from infra_openapi.schema.node import COUNTS, TYPES, Node
from infra_openapi.schema.pattern import harmless

#: The maximum number of connected schemas for which an example is searched.
_MOST_SCHEMAS = 1500
_HIDDEN = {Direction.REQUEST: "readOnly", Direction.RESPONSE: "writeOnly"}
_NAMED = frozenset({"properties", "patternProperties", "dependentSchemas"})
_TYPES = frozenset({*TYPES, "integer"})
#: Keywords whose value is data, and therefore contains no schemas.
_DATA = frozenset({"const"})
_SCHEMA, _NUMBER = (dict, bool), (int, float)
#: The keywords that jsonschema checks, with the valid types of their values.
_UNDERSTOOD: dict[str, tuple[type, ...]] = {
    "type": (str, list),
    "enum": (list,),
    "format": (str,),
    "pattern": (str,),
    "required": (list,),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), _NUMBER),
    **dict.fromkeys(COUNTS, _NUMBER),
    "uniqueItems": (bool,),
    **dict.fromkeys(("properties", "patternProperties", "dependentSchemas", "dependentRequired"), (dict,)),
    **dict.fromkeys(
        (
            "items",
            "additionalProperties",
            "unevaluatedProperties",
            "propertyNames",
            "contains",
            "not",
            "if",
            "then",
            "else",
        ),
        _SCHEMA,
    ),
    **dict.fromkeys(("allOf", "oneOf", "anyOf", "prefixItems"), (list,)),
}


class Witnesses:
    """Finds example values for the findings of one comparison."""

    def __init__(self, comparer: Comparer) -> None:
        self._comparer = comparer
        self._candidates = Candidates(comparer.node)
        self._checkers: dict[tuple[int, Direction], _Checker] = {}

    def of(self, pair: Pair, fact: Fact, *, alone: bool) -> Witness | None:
        """Return an example value that shows the change of a fact; None if no such value was found.

        If the pair of schemas has further facts (`alone` is false), only the keyword of the fact may reject
        the value.
        """
        keywords = _KEYWORDS.get(fact.kind)
        if keywords is None and not alone:
            return None
        direction = pair.mode.direction
        old, new = self._comparer.normal(pair.old), self._comparer.normal(pair.new)
        wide, narrow = (old, new) if direction is Direction.REQUEST else (new, old)
        if not wide.elements or not narrow.elements:
            return None
        try:
            takes, refuses = self._checker(wide, direction), self._checker(narrow, direction)
            first_tries: tuple[Any, ...] = ()
            if fact.kind in _ABOUT_VALUES:
                first_tries = (fact.before, fact.after)
            elif fact.kind in _ABOUT_PATTERNS:
                first_tries = (text_patterns.told_apart(wide, narrow),)
            for value in chain(first_tries, self._candidates.of(wide, narrow)):
                if (
                    self._promising(wide, narrow, value)
                    and next(takes.complaints(wide, value), None) is None
                    and _shows(fact, keywords, refuses.complaints(narrow, value))
                ):
                    return Witness(kind=direction, value=value)
        except (RecursionError, OverflowError, ValueError):
            return None
        return None

    def _promising(self, wide: Node, narrow: Node, value: Any) -> bool:
        """Return whether a value can be an example: the schema `wide` allows it, and `narrow` rejects it.

        This fast test avoids most of the slow checks with jsonschema.
        """
        holds = self._comparer.member.holds
        return holds(narrow, value) is not True and holds(wide, value) is not False

    def _checker(self, node: Node, direction: Direction) -> _Checker:
        document = node.elements[0].document
        key = (id(document), direction)
        if key not in self._checkers:
            self._checkers[key] = _Checker(direction)
        return self._checkers[key]


#: The facts about required properties.
_ABOUT_REQUIRED = frozenset(
    {
        facts.PROPERTY_ADDED_REQUIRED,
        facts.PROPERTY_ADDED_REQUIRED_WITH_DEFAULT,
        facts.REQUIRED_PROPERTY_REMOVED,
        facts.PROPERTY_BECAME_REQUIRED,
        facts.PROPERTY_BECAME_REQUIRED_WITH_DEFAULT,
        facts.PROPERTY_BECAME_OPTIONAL,
        facts.PROPERTY_BECAME_READ_ONLY,
        facts.REQUIRED_PROPERTY_BECAME_READ_ONLY,
        facts.PROPERTY_BECAME_NOT_READ_ONLY,
        facts.REQUIRED_PROPERTY_BECAME_NOT_READ_ONLY,
        facts.PROPERTY_BECAME_WRITE_ONLY,
        facts.REQUIRED_PROPERTY_BECAME_WRITE_ONLY,
        facts.PROPERTY_BECAME_NOT_WRITE_ONLY,
        facts.REQUIRED_PROPERTY_BECAME_NOT_WRITE_ONLY,
    }
)
#: The facts about patterns.
_ABOUT_PATTERNS = frozenset(
    {
        facts.PATTERN_ADDED,
        facts.PATTERN_REMOVED,
        facts.PATTERN_NARROWED,
        facts.PATTERN_WIDENED,
        facts.PATTERN_CHANGED,
    }
)
#: The facts for which the changed value itself is the example.
_ABOUT_VALUES = frozenset({facts.ENUM_VALUE_ADDED, facts.ENUM_VALUE_REMOVED, facts.CONST_CHANGED})
#: The facts about one property; jsonschema's message contains the name of this property.
_ABOUT_ONE_PROPERTY = _ABOUT_REQUIRED | {facts.PROPERTY_ADDED_TO_CLOSED, facts.PROPERTY_REMOVED_FROM_CLOSED}
#: For some facts, the keywords that can reject the example; for all further facts, every keyword can reject
#: it.
_REFUSED_BY: tuple[tuple[frozenset[str], Iterable[FactKind]], ...] = (
    (frozenset({"required"}), _ABOUT_REQUIRED),
    (frozenset({"pattern"}), _ABOUT_PATTERNS),
    (
        frozenset({"additionalProperties", "unevaluatedProperties"}),
        (
            facts.PROPERTY_ADDED_TO_CLOSED,
            facts.PROPERTY_REMOVED_FROM_CLOSED,
            facts.ADDITIONAL_PROPERTIES_FORBIDDEN,
            facts.ADDITIONAL_PROPERTIES_ALLOWED,
            facts.PATTERN_PROPERTY_ADDED,
            facts.PATTERN_PROPERTY_REMOVED,
            facts.PATTERN_PROPERTY_ALLOWED,
            facts.PATTERN_PROPERTY_FORBIDDEN,
        ),
    ),
    (frozenset({"dependentRequired"}), (facts.DEPENDENT_REQUIRED_ADDED, facts.DEPENDENT_REQUIRED_REMOVED)),
    (
        frozenset({"oneOf"}),
        (
            facts.UNION_OVERLAP_ADDED,
            facts.UNION_OVERLAP_REMOVED,
            facts.UNION_OVERLAP_ADDED_FOR_SOME,
            facts.UNION_OVERLAP_REMOVED_FOR_SOME,
        ),
    ),
    (frozenset({"type"}), (facts.TYPE_NARROWED, facts.TYPE_WIDENED, facts.TYPE_CHANGED)),
    (frozenset({"type", "enum", "const"}), (facts.BECAME_NULLABLE, facts.BECAME_NOT_NULLABLE)),
    (
        frozenset({"enum", "const"}),
        (
            facts.ENUM_VALUE_REMOVED,
            facts.ENUM_VALUE_ADDED,
            facts.ENUM_ADDED,
            facts.ENUM_REMOVED,
            facts.CONST_CHANGED,
        ),
    ),
    (
        frozenset({"format"}),
        (
            facts.FORMAT_ADDED,
            facts.FORMAT_REMOVED,
            facts.FORMAT_NARROWED,
            facts.FORMAT_WIDENED,
            facts.FORMAT_CHANGED,
        ),
    ),
    (
        frozenset({"multipleOf"}),
        (
            facts.MULTIPLE_OF_ADDED,
            facts.MULTIPLE_OF_REMOVED,
            facts.MULTIPLE_OF_NARROWED,
            facts.MULTIPLE_OF_WIDENED,
            facts.MULTIPLE_OF_CHANGED,
        ),
    ),
    (frozenset({"uniqueItems"}), (facts.UNIQUE_ITEMS_ADDED, facts.UNIQUE_ITEMS_REMOVED)),
    *((frozenset({keyword}), bound.kinds) for keyword, bound in BOUNDS.items() if keyword in COUNTS),
    (frozenset({"minimum", "exclusiveMinimum"}), BOUNDS["minimum"].kinds),
    (frozenset({"maximum", "exclusiveMaximum"}), BOUNDS["maximum"].kinds),
)
_KEYWORDS = {kind: keywords for keywords, kinds in _REFUSED_BY for kind in kinds}


def _sound(key: str, value: Any) -> bool:
    """Return whether jsonschema can evaluate the value of a keyword.

    The result is False for patterns that can take exponential time.
    """
    patterns = [value] if key == "pattern" else list(value) if key == "patternProperties" else []
    if not all(map(harmless, patterns)):
        raise ValueError(key)
    if key == "type":
        return all(
            isinstance(each, str) and each in _TYPES
            for each in (value if isinstance(value, list) else [value])
        )
    if key == "required":
        return all(isinstance(each, str) for each in value)
    if key == "dependentRequired":
        return all(isinstance(each, list) for each in value.values())
    return not isinstance(value, float) or value > 0 or key != "multipleOf"


def _shows(fact: Fact, keywords: frozenset[str] | None, complaints: Iterator[ValidationError]) -> bool:
    first = next(complaints, None)
    if keywords is None or first is None:
        return first is not None
    named = fact.kind in _ABOUT_ONE_PROPERTY
    return all(
        each.validator in keywords and not each.path and (not named or repr(fact.subject) in each.message)
        for each in chain((first,), complaints)
    )


class _Checker:
    """Converts the schemas of one document to a form that jsonschema can evaluate.

    Each schema is converted when it is first needed.
    """

    def __init__(self, direction: Direction) -> None:
        self._hidden = _HIDDEN[direction]
        self._known: dict[str, Any] = {}
        self._waiting: list[tuple[str, Element]] = []
        known = self._known

        def follow(validator: Any, name: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
            del schema
            yield from validator.descend(instance, known[name])

        self._kind = extend(Draft202012Validator, {"x-follow": follow})  # type: ignore[no-untyped-call]

    def complaints(self, node: Node, value: Any) -> Iterator[ValidationError]:
        """Yield the errors that jsonschema finds when it checks a value with the schemas of a node."""
        for element in node.elements:
            name = self._name(element)
            self._rewrite_all()
            yield from self._kind(self._known[name], format_checker=_FORMATS).iter_errors(value)

    def _name(self, element: Element) -> str:
        name = f"{element.file}#{element.pointer}"
        if name not in self._known:
            if len(self._known) > _MOST_SCHEMAS:
                raise OverflowError
            self._known[name] = True
            self._waiting.append((name, element))
        return name

    def _rewrite_all(self) -> None:
        while self._waiting:
            name, element = self._waiting.pop()
            self._known[name] = self._rewritten(element)

    def _rewritten(self, element: Element) -> Any:
        raw = element.raw
        if not isinstance(raw, dict):
            return raw if isinstance(raw, bool) else True
        target = target_of(element)
        if target is not None and not element.document.modern:
            return {"x-follow": self._name(target)}
        made: dict[str, Any] = {} if target is None else {"x-follow": self._name(target)}
        for key, value in raw.items():
            if key in _DATA:
                made[key] = value
            elif isinstance(value, _UNDERSTOOD.get(key, ())) and _sound(key, value):
                made[key] = self._part(element, key, value)
        self._modernise(raw, made)
        return made

    def _part(self, element: Element, key: str, value: Any) -> Any:
        inner = element.child(key)
        if inner is None:
            return value
        if key in {"enum", "type", "required", "dependentRequired"}:
            return value
        if key in _NAMED:
            return {name: self._rewritten(each) for name, each in inner.members().items()}
        if isinstance(value, list):
            return [self._rewritten(each) for each in element.items(key)]
        return self._rewritten(inner) if isinstance(value, dict) else value

    def _modernise(self, raw: dict[str, Any], made: dict[str, Any]) -> None:
        """Convert the keywords of a schema of OpenAPI 3.0 to JSON Schema 2020-12.

        Properties that are hidden in this direction (read-only in requests, write-only in responses) are no
        longer required.
        """
        if raw.get("nullable") is True and isinstance(made.get("type"), str):
            made["type"] = [made["type"], "null"]
            if "enum" in made:
                made["enum"] = [*raw["enum"], None]
        for key, strict in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
            if isinstance(raw.get(strict), bool):
                made.pop(strict, None)
                if raw[strict] and key in made:
                    made[strict] = made.pop(key)
        if not isinstance(raw.get("required"), list):
            made.pop("required", None)
        elif isinstance(raw.get("properties"), dict):
            hidden = {
                name
                for name, each in raw["properties"].items()
                if isinstance(each, dict) and each.get(self._hidden) is True
            }
            made["required"] = [
                name for name in raw["required"] if isinstance(name, str) and name not in hidden
            ]


_FORMATS = FormatChecker(formats=("date", "email", "ipv4", "ipv6", "uuid", "regex"))


@_FORMATS.checks("date-time", raises=ValueError)
def _moment(value: object) -> bool:
    return not isinstance(value, str) or ("T" in value.upper() and bool(dt.datetime.fromisoformat(value)))


def _in_range(least: int, most: int) -> Any:
    return lambda value: isinstance(value, bool) or not isinstance(value, int) or least <= value <= most


_FORMATS.checks("int32")(_in_range(-(2**31), 2**31 - 1))
_FORMATS.checks("int64")(_in_range(-(2**63), 2**63 - 1))
