"""Find an example value that shows why a change is breaking, and check the value with jsonschema.

The search tries the values of the fact, then values at and beyond the bounds of both schemas. The
first value that only one of the documents allows because of the fact is used, without the parts that are not
necessary. Every returned example has been checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any

from jsonschema.exceptions import ValidationError

from infra_openapi import facts
from infra_openapi.facts import FactKind
from infra_openapi.finding import Direction, Witness
from infra_openapi.rules.bounds import BOUNDS
from infra_openapi.schema import text_patterns
from infra_openapi.schema.candidates import Candidates
from infra_openapi.schema.change import Fact, Pair
from infra_openapi.schema.node import COUNTS, Node
from infra_openapi.schema.schemas import Schemas
from infra_openapi.schema_check import HIDDEN, Checker

#: The maximum number of items of an array in an example, and of attempts to remove a part of an example.
_MAX_ITEMS, _MAX_ATTEMPTS = 10, 40
#: The maximum number of candidates for a fact about an alternative of a union, and for other facts.
_MAX_FOR_ALTERNATIVE, _MAX_CANDIDATES = 8, 200
_NOTHING = object()
#: The facts about a schema as a whole: any keyword may reject the example.
_ABOUT_EVERYTHING = frozenset(
    {facts.SCHEMA_ADDED, facts.SCHEMA_REMOVED, facts.BECAME_IMPOSSIBLE, facts.BECAME_POSSIBLE}
)
#: The keywords whose schemas apply to a property or an item of a value. The second set contains the keys of a
#: schema path that lead to another schema for the same value.
_HOLDERS = frozenset(
    {
        "properties",
        "patternProperties",
        "additionalProperties",
        "unevaluatedProperties",
        "items",
        "prefixItems",
    }
)
_SAME_VALUE = frozenset({"x-follow", "allOf", *range(1000)})


class Witnesses:
    """Finds example values for the findings of one comparison."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._candidates = Candidates(schemas.node)
        self._checkers: dict[tuple[int, Direction], Checker] = {}

    def of(self, pair: Pair, fact: Fact, *, is_only_fact: bool) -> Witness | None:
        """Return a small value that shows this fact; None if no such value was found.

        `is_only_fact` is false if the pair of schemas has further harmful facts. The value must then show
        this fact only: either only the keyword of the fact rejects the value, or the value is valid for the
        alternative of an `anyOf` or `oneOf` that the fact is about.
        """
        keywords = _KEYWORDS.get(fact.kind)
        direction = pair.mode.direction
        old, new = self._schemas.normal(pair.old), self._schemas.normal(pair.new)
        wide, narrow = (old, new) if direction is Direction.REQUEST else (new, old)
        branch = self._branch(fact, wide)
        if (keywords is None and branch is None and not is_only_fact) or not (
            wide.elements and narrow.elements
        ):
            return None
        allowing = (wide,) if branch is None else (branch, wide)
        first_tries = [value for value in self._first_tries(fact, wide, narrow) if value is not None]

        def shows(value: Any) -> bool:
            # Most candidates are valid in both documents, and jsonschema is slow.
            holds = self._schemas.member.holds
            if holds(narrow, value) is True or any(holds(node, value) is False for node in allowing):
                return False
            wide_checker, narrow_checker = self._checker(wide, direction), self._checker(narrow, direction)
            return all(next(wide_checker.errors(node, value), None) is None for node in allowing) and _shows(
                fact, keywords, narrow_checker.errors(narrow, value)
            )

        candidates = islice(
            self._candidates.of(allowing[0], narrow),
            _MAX_CANDIDATES if branch is None else _MAX_FOR_ALTERNATIVE,
        )
        try:
            for value in chain(first_tries, candidates):
                if _longest(value) <= _MAX_ITEMS and shows(value):
                    return Witness(kind=direction, value=self._smallest(value, shows, allowing[0]))
        except (RecursionError, OverflowError, ValueError):
            return None
        return None

    def _smallest(self, value: Any, shows: Callable[[Any], bool], node: Node) -> Any:
        """Return the value without the properties and items that can be removed while `shows` is still true.

        At most `_MAX_ATTEMPTS` removals are tried.
        """
        attempts = 0
        reductions = self._reductions(value, node)
        while (smaller := next(reductions, _NOTHING)) is not _NOTHING and attempts < _MAX_ATTEMPTS:
            attempts += 1
            if shows(smaller):
                value, reductions = smaller, self._reductions(smaller, node)
        return value

    def _reductions(self, value: Any, node: Node) -> Iterator[Any]:
        """Yield values with one property or item less.

        The properties that the schema requires remain, except read-only and write-only properties.
        """
        node_of = self._schemas.node
        if isinstance(value, dict):
            for key in value:
                if key not in node.required or _hidden(node_of(node.properties.get(key, ()))):
                    yield {name: inner for name, inner in value.items() if name != key}
            for key, inner in value.items():
                part = node_of(node.properties.get(key, ()))
                yield from ({**value, key: smaller} for smaller in self._reductions(inner, part))
        elif isinstance(value, list):
            for index in range(len(value)):
                yield value[:index] + value[index + 1 :]
            for index, inner in enumerate(value):
                part = node_of(node.items or ())
                for smaller in self._reductions(inner, part):
                    yield [*value[:index], smaller, *value[index + 1 :]]

    def _branch(self, fact: Fact, wide: Node) -> Node | None:
        """Return the added or removed alternative of a union; None for a fact about other parts."""
        if fact.kind not in _ABOUT_ALTERNATIVES:
            return None
        element = fact.base if fact.kind is facts.UNION_BRANCH_REMOVED else fact.revision
        inside = element is not None and element.identity not in {
            wide_element.identity for wide_element in wide.elements
        }
        return self._schemas.node((element,)) if element is not None and inside else None

    def _first_tries(self, fact: Fact, wide: Node, narrow: Node) -> list[Any]:
        """Return the values that are tried first as the example, because they probably show the fact."""
        if fact.kind in _ABOUT_LISTS:
            return [*(fact.before or ()), *(fact.after or ())]
        if fact.kind in _ABOUT_VALUES:
            return [fact.before, fact.after]
        return [text_patterns.distinguishing_string(wide, narrow)] if fact.kind in _ABOUT_PATTERNS else []

    def _checker(self, node: Node, direction: Direction) -> Checker:
        document = node.elements[0].document
        key = (id(document), direction)
        if key not in self._checkers:
            self._checkers[key] = Checker(direction)
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
#: The facts about a forbidden property: no valid object can have the property.
_ABOUT_FORBIDDEN = frozenset({facts.PROPERTY_FORBIDDEN, facts.PROPERTY_NO_LONGER_FORBIDDEN})
#: The facts about alternatives of unions.
_ABOUT_ALTERNATIVES = frozenset(
    {
        facts.UNION_BRANCH_ADDED,
        facts.UNION_BRANCH_REMOVED,
        facts.UNION_BRANCH_REPLACED,
        facts.NEW_ALTERNATIVE,
    }
)
#: The facts whose old or new value is itself the example.
_ABOUT_VALUES = frozenset({facts.CONST_CHANGED})
#: The facts whose old or new value is a list of enumerated values; each enumerated value can be the example.
_ABOUT_LISTS = frozenset({facts.ENUM_VALUE_ADDED, facts.ENUM_VALUE_REMOVED})
#: The facts about one property; jsonschema's message contains the name of this property.
_ABOUT_ONE_PROPERTY = _ABOUT_REQUIRED | {facts.PROPERTY_ADDED_TO_CLOSED, facts.PROPERTY_REMOVED_FROM_CLOSED}
#: Each row contains keywords, and the facts whose example must be rejected by these keywords only. For a fact
#: without a row, any keyword may reject the example.
_REJECTED_BY: tuple[tuple[frozenset[str], Iterable[FactKind]], ...] = (
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
_KEYWORDS = {kind: keywords for keywords, kinds in _REJECTED_BY for kind in kinds}


def _shows(fact: Fact, keywords: frozenset[str] | None, errors: Iterator[ValidationError]) -> bool:
    """Return whether jsonschema reports errors for a value, and the fact causes every error."""
    is_caused = False
    for error in errors:
        is_caused = True
        if not _explains(fact, keywords, error):
            return False
        if fact.kind in _ABOUT_EVERYTHING:
            return True
    return is_caused


def _explains(fact: Fact, keywords: frozenset[str] | None, error: ValidationError) -> bool:
    """Return whether the fact is the cause of an error of jsonschema."""
    if fact.kind in _ABOUT_EVERYTHING:
        return True
    if fact.kind in _ABOUT_FORBIDDEN:
        # jsonschema reports neither a keyword nor the name of the property for the schema `false`.
        return not error.validator and _about_a_part(error)
    if keywords is None:
        return not _about_a_part(error)
    names_property = fact.kind not in _ABOUT_ONE_PROPERTY or repr(fact.subject) in error.message
    return error.validator in keywords and not error.path and names_property


def _about_a_part(error: ValidationError) -> bool:
    """Return whether an error is about a property or an item.

    Changes of properties and items are separate findings.
    """
    keyword = next((key for key in error.schema_path if key not in _SAME_VALUE), "")
    return keyword in _HOLDERS


def _longest(value: Any) -> int:
    """Return the length of the longest array in a value."""
    if not isinstance(value, list | dict):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return max([len(value) if isinstance(value, list) else 0, *map(_longest, inner)])


def _hidden(node: Node) -> bool:
    """Return whether a property is sent in one direction only."""
    return not node.notes.keys().isdisjoint(HIDDEN.values())
