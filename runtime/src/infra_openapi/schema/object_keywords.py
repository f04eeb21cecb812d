"""Compare the properties of two object schemas: declared, undeclared, and declared by a pattern."""

from __future__ import annotations

from infra_openapi import facts
from infra_openapi.document import Element
from infra_openapi.document.pointer import escaped
from infra_openapi.facts import FactKind
from infra_openapi.schema import pattern as expression
from infra_openapi.schema.change import Change
from infra_openapi.schema.intersection import declared
from infra_openapi.schema.members import HIDDEN_BY, closing, hidden
from infra_openapi.schema.node import Node, Term
from infra_openapi.schema.schemas import Schemas

# Keyword that hides a property in one direction → the kinds of fact for an optional and for a required
# property.
_BECAME_HIDDEN = {
    "readOnly": (facts.PROPERTY_BECAME_READ_ONLY, facts.REQUIRED_PROPERTY_BECAME_READ_ONLY),
    "writeOnly": (facts.PROPERTY_BECAME_WRITE_ONLY, facts.REQUIRED_PROPERTY_BECAME_WRITE_ONLY),
}
_BECAME_VISIBLE = {
    "readOnly": (facts.PROPERTY_BECAME_NOT_READ_ONLY, facts.REQUIRED_PROPERTY_BECAME_NOT_READ_ONLY),
    "writeOnly": (facts.PROPERTY_BECAME_NOT_WRITE_ONLY, facts.REQUIRED_PROPERTY_BECAME_NOT_WRITE_ONLY),
}


class Objects:
    """Compares the keywords for objects (such as `properties`, `required`) of an old and a new schema."""

    def __init__(self, schemas: Schemas, old: Node, new: Node, change: Change) -> None:
        self._schemas, self._node, self._same = schemas, schemas.node, schemas.same_term
        self.old, self.new, self.change = old, new, change
        self._inner = change.mode.property()
        self._hidden_by = HIDDEN_BY.get(change.mode.direction, "")

    def compare(self) -> None:
        """Add facts about all changes of the keywords for objects, such as `properties` and `required`."""
        old, new = self.old, self.new
        names = dict.fromkeys((*old.properties, *new.properties, *old.required, *new.required))
        for name in sorted(names):
            self._property(name)
        self._additional()
        self._pattern_properties()
        kinds = facts.PROPERTY_NAMES_ADDED, facts.PROPERTY_NAMES_REMOVED
        optional_part(self.change, old, new, old.names, new.names, kinds, name="property-names")
        self._dependent()

    def _property(self, name: str) -> None:
        old, new, change = self.old, self.new, self.change
        first, second = old.properties.get(name), new.properties.get(name)
        # A property that is required but not declared can have any value.
        if first is None and second is not None and self._undeclared(old, name):
            first = ()
        elif second is None and first is not None and self._undeclared(new, name):
            second = ()
        if (name in old.required) == (name in new.required) and self._same(first, second):
            return
        hidden, hides = self._hidden(first), self._hidden(second)
        if (hidden or first is None) and (hides or second is None) and (hidden or hides):
            return
        if first is None and second is None:
            self._required(name)
        elif second is None:
            self._removed(name, first or ())
        elif first is None:
            self._added(name, second)
        elif hides:
            kinds = _BECAME_HIDDEN[self._hidden_by]
            change.fact(kinds[name in old.required], _at(first), _at(second), subject=name)
        elif hidden:
            kinds = _BECAME_VISIBLE[self._hidden_by]
            change.fact(kinds[name in new.required], _at(first), _at(second), subject=name)
        else:
            if not self._same(first, second):
                change.pair(first, second, name, self._inner)
            self._required(name)

    def _impossible(self, term: Term) -> bool:
        return self.change.proved(self._schemas.impossible(term))

    def _undeclared(self, node: Node, name: str) -> bool:
        """Return whether a schema requires a property that no part of the schema describes."""
        return name in node.required and not self._others(node, name)

    def _hidden(self, term: Term | None) -> bool:
        return hidden(term, self.change.mode.direction, self._node)

    def _added(self, name: str, second: Term) -> None:
        old, new, change = self.old, self.new, self.change
        element = old.counterpart(_holder(second, name))
        required = name in new.required and name not in old.required
        undeclared = self._others(old, name)
        if undeclared and not self._impossible(undeclared):
            change.pair(undeclared, second, name, self._inner)
            self._required(name)
            return
        if name in old.required:  # a required property that is not declared
            self._required(name)
        if self._impossible(second):
            change.fact(facts.PROPERTY_FORBIDDEN, element, _at(second), subject=name)
        elif undeclared:
            change.fact(facts.PROPERTY_ADDED_TO_CLOSED, element, _at(second), subject=name)
            if required:
                change.fact(facts.PROPERTY_ADDED_REQUIRED, element, _at(second), subject=name)
        elif required and self._node(second).notes.get("default"):
            change.fact(facts.PROPERTY_ADDED_REQUIRED_WITH_DEFAULT, element, _at(second), subject=name)
        else:
            change.fact(
                facts.PROPERTY_ADDED_REQUIRED if required else facts.PROPERTY_ADDED,
                element,
                _at(second),
                subject=name,
            )

    def _removed(self, name: str, first: Term) -> None:
        old, new, change = self.old, self.new, self.change
        element = new.counterpart(_holder(first, name))
        required = name in old.required and name not in new.required
        undeclared = self._others(new, name)
        if undeclared and not self._impossible(undeclared):
            change.pair(first, undeclared, name, self._inner)
            self._required(name)
            return
        if name in new.required:  # a required property that is not declared
            self._required(name)
        if self._impossible(first):
            change.fact(facts.PROPERTY_NO_LONGER_FORBIDDEN, _at(first), element, subject=name)
            return
        if undeclared:
            change.fact(facts.PROPERTY_REMOVED_FROM_CLOSED, _at(first), element, subject=name)
        if required:
            change.fact(facts.REQUIRED_PROPERTY_REMOVED, _at(first), element, subject=name)
        elif not undeclared:
            change.fact(facts.PROPERTY_REMOVED, _at(first), element, subject=name)

    def _others(self, node: Node, name: str) -> Term:
        """Return the schema that applies to the property `name` if the property is not declared."""
        matched = any(expression.matches(pattern, name) for pattern in node.pattern_properties)
        if node.additional is None and node.unevaluated is not None and not matched:
            return node.unevaluated
        return declared(node, name)

    def _required(self, name: str) -> None:
        before, after = self.old.required.get(name), self.new.required.get(name)
        if after is not None and before is None:
            term = self.new.properties.get(name)
            default = term is not None and self._node(term).notes.get("default") is not None
            fact = facts.PROPERTY_BECAME_REQUIRED_WITH_DEFAULT if default else facts.PROPERTY_BECAME_REQUIRED
            self.change.fact(
                fact, _at(self.old.properties.get(name)) or self.old.element, _at(term) or after, subject=name
            )
        elif before is not None and after is None:
            old_term, new_term = self.old.properties.get(name), self.new.properties.get(name)
            self.change.fact(
                facts.PROPERTY_BECAME_OPTIONAL,
                _at(old_term) or before,
                _at(new_term) or self.new.element,
                subject=name,
            )

    def _additional(self) -> None:
        old, new = closing(self.old), closing(self.new)
        if old is None and new is None:
            return
        closed = old is not None and self._impossible(old)
        closes = new is not None and self._impossible(new)
        if closes and not closed:
            self.change.fact(facts.ADDITIONAL_PROPERTIES_FORBIDDEN, _at(old) or self.old.element, _at(new))
        elif closed and not closes:
            self.change.fact(facts.ADDITIONAL_PROPERTIES_ALLOWED, _at(old), _at(new) or self.new.element)
        elif not closed:
            self.change.pair(old or (), new or (), "additionalProperties", self._inner)

    def _pattern_properties(self) -> None:
        old, new = self.old, self.new
        for pattern in sorted({**old.pattern_properties, **new.pattern_properties}):
            first, second = old.pattern_properties.get(pattern), new.pattern_properties.get(pattern)
            if first and second:
                self.change.pair(first, second, pattern, self._inner)
            elif second:
                closed = closing(old)
                allowed = closed and self._impossible(closed)
                kind = facts.PATTERN_PROPERTY_ALLOWED if allowed else facts.PATTERN_PROPERTY_ADDED
                self.change.fact(kind, old.element, _at(second), None, pattern, pattern)
            else:
                closed = closing(new)
                forbidden = closed and self._impossible(closed)
                kind = facts.PATTERN_PROPERTY_FORBIDDEN if forbidden else facts.PATTERN_PROPERTY_REMOVED
                self.change.fact(kind, _at(first), new.element, pattern, None, pattern)

    def _dependent(self) -> None:
        old, new, change = self.old, self.new, self.change
        for name in sorted({**old.dependent, **new.dependent}):
            before, old_element = old.dependent.get(name, (frozenset(), old.element))
            after, new_element = new.dependent.get(name, (frozenset(), new.element))
            # A dependency has no effect if the property is always required.
            for need in sorted(after - before - old.required.keys()):
                change.fact(
                    facts.DEPENDENT_REQUIRED_ADDED, old_element, new_element, None, need, f"{name} → {need}"
                )
            for need in sorted(before - after - new.required.keys()):
                change.fact(
                    facts.DEPENDENT_REQUIRED_REMOVED, old_element, new_element, need, None, f"{name} → {need}"
                )
        for name in sorted({**old.dependent_schemas, **new.dependent_schemas}):
            first, second = old.dependent_schemas.get(name), new.dependent_schemas.get(name)
            kinds = facts.DEPENDENT_SCHEMA_ADDED, facts.DEPENDENT_SCHEMA_REMOVED
            optional_part(change, old, new, first, second, kinds, name=name, subject=name)


def optional_part(
    change: Change,
    old: Node,
    new: Node,
    first: Term | None,
    second: Term | None,
    kinds: tuple[FactKind, FactKind],
    *,
    name: str,
    subject: str = "",
) -> None:
    """Compare the schemas of a keyword that the old or the new schema may not have.

    `kinds` contains the kind of fact for an added keyword and the kind for a removed keyword.
    """
    added, removed = kinds
    if first and second:
        change.pair(first, second, name)
    elif second:
        change.fact(added, old.element, _at(second), subject=subject)
    elif first:
        change.fact(removed, _at(first), new.element, subject=subject)


def _holder(term: Term, name: str) -> str:
    """Return the JSON pointer of the schema that declares the property `name`."""
    return term[0].pointer.removesuffix(f"/properties/{escaped(name)}") if term else ""


def _at(term: Term | None) -> Element | None:
    return term[0] if term else None
