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

# Keyword that excludes a property from requests or from responses → the kinds of fact for an optional and for
# a required property.
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
        compare_optional(self.change, old, new, old.names, new.names, kinds, name="property-names")
        self._dependent()

    def _property(self, name: str) -> None:
        old, new, change = self.old, self.new, self.change
        old_term, new_term = old.properties.get(name), new.properties.get(name)
        # A property that is required but not declared can have any value.
        if old_term is None and new_term is not None and self._undeclared(old, name):
            old_term = ()
        elif new_term is None and old_term is not None and self._undeclared(new, name):
            new_term = ()
        if (name in old.required) == (name in new.required) and self._same(old_term, new_term):
            return
        was_hidden, is_hidden = self._hidden(old_term), self._hidden(new_term)
        if (was_hidden or old_term is None) and (is_hidden or new_term is None) and (was_hidden or is_hidden):
            return
        if old_term is None and new_term is None:
            self._required(name)
        elif new_term is None:
            self._removed(name, old_term or ())
        elif old_term is None:
            self._added(name, new_term)
        elif is_hidden:
            kinds = _BECAME_HIDDEN[self._hidden_by]
            change.fact(
                kinds[name in old.required], _first_element(old_term), _first_element(new_term), subject=name
            )
        elif was_hidden:
            kinds = _BECAME_VISIBLE[self._hidden_by]
            change.fact(
                kinds[name in new.required], _first_element(old_term), _first_element(new_term), subject=name
            )
        else:
            if not self._same(old_term, new_term):
                change.pair(old_term, new_term, name, self._inner)
            self._required(name)

    def _impossible(self, term: Term) -> bool:
        return self.change.proved(self._schemas.impossible(term))

    def _undeclared(self, node: Node, name: str) -> bool:
        """Return whether a schema requires the property `name`, but has no schema for the property."""
        return name in node.required and not self._undeclared_schema(node, name)

    def _hidden(self, term: Term | None) -> bool:
        return hidden(term, self.change.mode.direction, self._node)

    def _added(self, name: str, new_term: Term) -> None:
        old, new, change = self.old, self.new, self.change
        element = old.counterpart(_declaring_schema(new_term, name))
        required = name in new.required and name not in old.required
        undeclared = self._undeclared_schema(old, name)
        if undeclared and not self._impossible(undeclared):
            change.pair(undeclared, new_term, name, self._inner)
            self._required(name)
            return
        if name in old.required:  # a required property that is not declared
            self._required(name)
        if self._impossible(new_term):
            change.fact(facts.PROPERTY_FORBIDDEN, element, _first_element(new_term), subject=name)
        elif undeclared:
            change.fact(facts.PROPERTY_ADDED_TO_CLOSED, element, _first_element(new_term), subject=name)
            if required:
                change.fact(facts.PROPERTY_ADDED_REQUIRED, element, _first_element(new_term), subject=name)
        elif required and self._node(new_term).notes.get("default"):
            change.fact(
                facts.PROPERTY_ADDED_REQUIRED_WITH_DEFAULT, element, _first_element(new_term), subject=name
            )
        else:
            change.fact(
                facts.PROPERTY_ADDED_REQUIRED if required else facts.PROPERTY_ADDED,
                element,
                _first_element(new_term),
                subject=name,
            )

    def _removed(self, name: str, old_term: Term) -> None:
        old, new, change = self.old, self.new, self.change
        element = new.counterpart(_declaring_schema(old_term, name))
        required = name in old.required and name not in new.required
        undeclared = self._undeclared_schema(new, name)
        if undeclared and not self._impossible(undeclared):
            change.pair(old_term, undeclared, name, self._inner)
            self._required(name)
            return
        if name in new.required:  # a required property that is not declared
            self._required(name)
        if self._impossible(old_term):
            change.fact(facts.PROPERTY_NO_LONGER_FORBIDDEN, _first_element(old_term), element, subject=name)
            return
        if undeclared:
            change.fact(facts.PROPERTY_REMOVED_FROM_CLOSED, _first_element(old_term), element, subject=name)
        if required:
            change.fact(facts.REQUIRED_PROPERTY_REMOVED, _first_element(old_term), element, subject=name)
        elif not undeclared:
            change.fact(facts.PROPERTY_REMOVED, _first_element(old_term), element, subject=name)

    def _undeclared_schema(self, node: Node, name: str) -> Term:
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
                fact,
                _first_element(self.old.properties.get(name)) or self.old.element,
                _first_element(term) or after,
                subject=name,
            )
        elif before is not None and after is None:
            old_term, new_term = self.old.properties.get(name), self.new.properties.get(name)
            self.change.fact(
                facts.PROPERTY_BECAME_OPTIONAL,
                _first_element(old_term) or before,
                _first_element(new_term) or self.new.element,
                subject=name,
            )

    def _additional(self) -> None:
        old, new = closing(self.old), closing(self.new)
        if old is None and new is None:
            return
        was_closed = old is not None and self._impossible(old)
        is_closed = new is not None and self._impossible(new)
        if is_closed and not was_closed:
            self.change.fact(
                facts.ADDITIONAL_PROPERTIES_FORBIDDEN,
                _first_element(old) or self.old.element,
                _first_element(new),
            )
        elif was_closed and not is_closed:
            self.change.fact(
                facts.ADDITIONAL_PROPERTIES_ALLOWED,
                _first_element(old),
                _first_element(new) or self.new.element,
            )
        elif not was_closed:
            self.change.pair(old or (), new or (), "additionalProperties", self._inner)

    def _pattern_properties(self) -> None:
        old, new = self.old, self.new
        for pattern in sorted({**old.pattern_properties, **new.pattern_properties}):
            old_term, new_term = old.pattern_properties.get(pattern), new.pattern_properties.get(pattern)
            if old_term and new_term:
                self.change.pair(old_term, new_term, pattern, self._inner)
            elif new_term:
                undeclared = closing(old)
                allowed = undeclared and self._impossible(undeclared)
                kind = facts.PATTERN_PROPERTY_ALLOWED if allowed else facts.PATTERN_PROPERTY_ADDED
                self.change.fact(kind, old.element, _first_element(new_term), None, pattern, pattern)
            else:
                undeclared = closing(new)
                forbidden = undeclared and self._impossible(undeclared)
                kind = facts.PATTERN_PROPERTY_FORBIDDEN if forbidden else facts.PATTERN_PROPERTY_REMOVED
                self.change.fact(kind, _first_element(old_term), new.element, pattern, None, pattern)

    def _dependent(self) -> None:
        old, new, change = self.old, self.new, self.change
        for name in sorted({**old.dependent, **new.dependent}):
            before, old_element = old.dependent.get(name, (frozenset(), old.element))
            after, new_element = new.dependent.get(name, (frozenset(), new.element))
            # A dependency has no effect if the property is always required.
            for required_name in sorted(after - before - old.required.keys()):
                change.fact(
                    facts.DEPENDENT_REQUIRED_ADDED,
                    old_element,
                    new_element,
                    None,
                    required_name,
                    f"{name} → {required_name}",
                )
            for required_name in sorted(before - after - new.required.keys()):
                change.fact(
                    facts.DEPENDENT_REQUIRED_REMOVED,
                    old_element,
                    new_element,
                    required_name,
                    None,
                    f"{name} → {required_name}",
                )
        for name in sorted({**old.dependent_schemas, **new.dependent_schemas}):
            old_term, new_term = old.dependent_schemas.get(name), new.dependent_schemas.get(name)
            kinds = facts.DEPENDENT_SCHEMA_ADDED, facts.DEPENDENT_SCHEMA_REMOVED
            compare_optional(change, old, new, old_term, new_term, kinds, name=name, subject=name)


def compare_optional(
    change: Change,
    old: Node,
    new: Node,
    old_term: Term | None,
    new_term: Term | None,
    kinds: tuple[FactKind, FactKind],
    *,
    name: str,
    subject: str = "",
) -> None:
    """Compare the schemas of a keyword; the keyword can be missing in the old or in the new schema.

    `kinds` contains the kind of fact for an added keyword, and the kind of fact for a removed keyword.
    """
    added, removed = kinds
    if old_term and new_term:
        change.pair(old_term, new_term, name)
    elif new_term:
        change.fact(added, old.element, _first_element(new_term), subject=subject)
    elif old_term:
        change.fact(removed, _first_element(old_term), new.element, subject=subject)


def _declaring_schema(term: Term, name: str) -> str:
    """Return the JSON pointer of the schema that declares the property `name`."""
    return term[0].pointer.removesuffix(f"/properties/{escaped(name)}") if term else ""


def _first_element(term: Term | None) -> Element | None:
    return term[0] if term else None
