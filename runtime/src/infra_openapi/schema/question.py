"""Search for a value that some schemas allow and other schemas reject.

A question is a list of schemas with roles (`Role`): the schemas that must allow the value, and the schemas
that must not allow the value. The answer is a value, a proof that no value exists, or a limit that the search
reached. The comparison of composed schemas uses such questions: schema A includes schema B if no value exists
that B allows and A rejects. Two alternatives overlap if a value exists that both alternatives allow.

For requests and responses, the search assumes that a client sends and reads only the properties that its
schema describes. Therefore, a property that only the new schema describes has no effect. If only the old
schema describes a property, the new schema does not include the old schema.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import replace
from itertools import combinations, starmap
from typing import Any, TypedDict, Unpack

from infra_openapi.finding import Direction
from infra_openapi.schema import array_values, members, scalar_values
from infra_openapi.schema.contradiction import both, consistent
from infra_openapi.schema.intersection import intersection
from infra_openapi.schema.limits import STACK, STEPS, VALUE_DEPTH, Answer, Limit
from infra_openapi.schema.literal import NOTHING, Literal, Literals, Role
from infra_openapi.schema.membership import Membership
from infra_openapi.schema.node import ALL_TYPES, TYPES, Group, Node, Term, limited, only
from infra_openapi.schema.normalize import Normalizer

#: Type → all values of the type, for the types with a finite number of values.
_FINITE: dict[str, list[Any]] = {"null": [None], "boolean": [False, True]}
_NO_OBJECTS = ALL_TYPES - {"object"}
#: The number of schemas, and of pairs of alternatives, that are examined in one step.
_LITERALS_IN_STEP, _PAIRS_IN_STEP = 8, 16


class Roles(TypedDict, total=False):
    """The arguments of a question: the schemas for each role (`Role`), and the types of the value."""

    sent: Iterable[Node]
    held: Iterable[Node]
    refused: Iterable[Node]
    denied: Iterable[Node]
    types: frozenset[str]


class _LimitError(Exception):
    """Raised if the search for a value has reached a limit."""

    def __init__(self, limit: Limit) -> None:
        super().__init__(str(limit))
        self.limit = limit


class Questions:
    """Searches for values in one direction (request, response or none); values and proofs are stored.

    A schema can refer to itself, so a question can occur again before its answer is known. If the question
    contains a schema that must not allow the value, the search then assumes that no value exists. If a value
    is found later, the assumption was wrong, and all answers that depend on the assumption are removed.
    """

    def __init__(
        self,
        direction: Direction,
        normalizer: Normalizer,
        member: Membership,
        same: Callable[[Node, Node], bool],
    ) -> None:
        self.direction, self.node_of, self.member = direction, normalizer.node, member
        self._same, self._is_recursive = same, normalizer.is_recursive
        self._none: set[Hashable] = set()
        self._found: dict[Hashable, Any] = {}
        self._tags: dict[Hashable, dict[str, frozenset[str]]] = {}
        self._assumed: list[Hashable] = []
        self._unanswered: set[Hashable] = set()
        self._steps = self._depth = 0

    def ask(self, **roles: Unpack[Roles]) -> Any:
        """Return a value that fits all roles, `NOTHING` if no value fits, or the limit that was reached.

        The value can violate some keywords, such as an unknown `format`, or a `minItems` of more than 100.
        """
        literals = [Literal(node, Role.SENT) for node in roles.get("sent", ())]
        literals += [Literal(node, Role.HELD) for node in roles.get("held", ())]
        literals += [Literal(node, Role.REFUSED) for node in roles.get("refused", ())]
        literals += [Literal(node, Role.DENIED) for node in roles.get("denied", ())]
        types = roles.get("types", ALL_TYPES)
        if types != ALL_TYPES:
            limit = Node(key=("types", types), elements=(), types=types, derived=True)
            literals.append(Literal(limit, Role.HELD))
        assumed_count = len(self._assumed)
        self._steps = self._depth = 0
        try:
            return self.find(tuple(literals))
        except (_LimitError, RecursionError) as error:
            self._undo(assumed_count)
            self._unanswered.clear()
            return error.limit if isinstance(error, _LimitError) else STACK

    def unanswerable(self, **roles: Unpack[Roles]) -> Answer:
        """Return whether it is proved that no value fits these roles, or the limit that was reached."""
        value = self.ask(**roles)
        return value if isinstance(value, Limit) else value is NOTHING

    def _undo(self, assumed_count: int) -> None:
        self._none.difference_update(self._assumed[assumed_count:])
        del self._assumed[assumed_count:]

    def step(self, count: int = 1) -> None:
        """Count `count` steps of the search. Raises `_LimitError` if the question needs too many steps."""
        self._steps += count
        if self._steps > STEPS.number:
            raise _LimitError(STEPS)

    def part(self, literals: Literals) -> Any:
        """Return a value for a property or an item that fits all `literals`, or `NOTHING`."""
        self._depth += 1
        if self._depth > VALUE_DEPTH.number:
            raise _LimitError(VALUE_DEPTH)
        try:
            return self.find(literals)
        finally:
            self._depth -= 1

    def find(self, literals: Literals) -> Any:
        """Return a value that fits all `literals`, or `NOTHING` if it is proved that no value fits."""
        relevant = self._relevant(literals)
        if relevant is None:
            return NOTHING
        key = frozenset((node.key, role) for node, role in relevant)
        if key in self._none:
            return NOTHING
        if key in self._found:
            return self._found[key]
        if key in self._unanswered:
            return {}
        self.step(1 + len(relevant) // _LITERALS_IN_STEP)
        assumed_count = len(self._assumed)
        is_proof = any(not role.positive for _, role in relevant)
        if is_proof:
            self._none.add(key)
            self._assumed.append(key)
        else:
            # A schema that requires itself allows no finite value. This is hardly ever intended, so the
            # search returns a value nevertheless.
            self._unanswered.add(key)
        value = self._split(relevant)
        self._unanswered.discard(key)
        if value is not NOTHING:
            if is_proof:
                self._undo(assumed_count)
            self._found[key] = value
        elif not is_proof:
            self._none.add(key)
            self._assumed.append(key)
        return value

    def _relevant(self, literals: Literals) -> Literals | None:
        """Return the literals without those that have no effect; None if two literals exclude each other."""
        unique = {(node.key, role): Literal(node, role) for node, role in literals}.values()
        positive: list[Literal] = []
        for literal in sorted(unique, key=lambda literal: literal.role):
            if literal.role.positive and not any(self._equal(allowing, literal) for allowing in positive):
                positive.append(literal)
        types = ALL_TYPES
        for node, _ in positive:
            types &= node.types
        if not types or any(starmap(self.disjoint, combinations((node for node, _ in positive), 2))):
            return None
        negative: list[Literal] = []
        for literal in unique:
            node = literal.node
            if literal.role.positive or not node.types & types:
                continue
            if node.unrestricted or any(self._equal(allowing, literal) for allowing in positive):
                return None
            if not any(self.disjoint(allowing.node, node) for allowing in positive):
                negative.append(literal)
        restricting = [allowing for allowing in positive if not allowing.node.unrestricted]
        return (*restricting, *negative)

    def _equal(self, first: Literal, second: Literal) -> bool:
        return first.node.key == second.node.key or self._same(first.node, second.node)

    def disjoint(self, first: Node, second: Node) -> bool:
        """Return whether two schemas have no common value because of their types or tags."""
        if not first.types & second.types:
            return True
        if first.types != {"object"} and second.types != {"object"}:
            return False
        first_tags, second_tags = self.tags(first), self.tags(second)
        shared_names = first_tags.keys() & second_tags.keys()
        return any(first_tags[name].isdisjoint(second_tags[name]) for name in shared_names)

    def tags(self, node: Node) -> dict[str, frozenset[str]]:
        """Return a mapping from each required property with enumerated scalar values to these values."""
        tags_of_node = self._tags.get(node.key)
        if tags_of_node is None:
            tags_of_node = self._tags[node.key] = members.tags(node, self.node_of)
        return tags_of_node

    def _split(self, literals: Literals) -> Any:
        """Return a value that fits all `literals`, or `NOTHING` if it is proved that no value fits.

        The search tries each alternative of the composed schema that has the fewest alternatives.
        """
        counts = [
            (_count(node, positive=role.positive), index)
            for index, (node, role) in enumerate(literals)
            if composed(node)
        ]
        if not counts:
            return self._of_type(literals)
        _, index = min(counts)
        for option in self._options(*literals[index]):
            value = self.find((*literals[:index], *option, *literals[index + 1 :]))
            if value is not NOTHING:
                return value
        return NOTHING

    # --- composed schemas ---------------------------------------------------------------------------

    def _options(self, node: Node, role: Role) -> Iterator[Literals]:
        """Yield, for each alternative of a composed schema, the literals that a value must all fit."""
        return self._allowing(node, role) if role.positive else self._rejecting(node, role)

    def _allowing(self, node: Node, role: Role) -> Iterator[Literals]:
        if node.negations:
            denied = tuple(Literal(self.node_of(term), Role.DENIED) for term in node.negations)
            yield (Literal(_with(node, negations=()), role), *denied)
        elif node.groups:
            group = node.groups[0]
            base = Literal(_with(node, groups=node.groups[1:]), role)
            branches = [self.node_of(branch) for branch in group.branches]
            for index, branch in enumerate(branches):
                siblings = branches[:index] + branches[index + 1 :] if self._exclusive(group) else []
                rejecting = (
                    limited(sibling, _NO_OBJECTS if self._both_open(branch, sibling) else ALL_TYPES)
                    for sibling in siblings
                    if not self.disjoint(branch, sibling)
                )
                excluded = (sibling for sibling in rejecting if sibling.types & branch.types)
                yield (base, Literal(branch, role), *(Literal(sibling, Role.DENIED) for sibling in excluded))
        elif node.conditions:
            condition = node.conditions[0]
            base = Literal(_with(node, conditions=node.conditions[1:]), role)
            when, then, otherwise = map(self.node_of, (condition.when, condition.then, condition.otherwise))
            yield (base, Literal(when, role), Literal(then, role))
            yield (base, Literal(when, Role.DENIED), Literal(otherwise, role))
        else:
            name, term = next(iter(node.dependent_schemas.items()))
            base = Literal(_with(node, dependent_schemas=_without(node.dependent_schemas, name)), role)
            yield (base, Literal(self._requires(node, name), Role.DENIED))
            yield (base, Literal(self.node_of(term), role))

    def _rejecting(self, node: Node, role: Role) -> Iterator[Literals]:
        if node.negations or node.conditions or node.dependent_schemas:
            # The role is `DENIED`: another keyword can describe a property that these keywords do not
            # describe.
            base_schema = _with(node, negations=(), conditions=(), dependent_schemas={})
            if not base_schema.unrestricted:
                yield (Literal(base_schema, Role.DENIED),)
            yield from ((Literal(self.node_of(term), Role.HELD),) for term in node.negations)
            for condition in node.conditions:
                terms = condition.when, condition.then, condition.otherwise
                when, then, otherwise = map(self.node_of, terms)
                yield (Literal(when, Role.HELD), Literal(then, Role.DENIED))
                yield (Literal(when, Role.DENIED), Literal(otherwise, Role.DENIED))
            for name, term in node.dependent_schemas.items():
                present = Literal(self._requires(node, name), Role.HELD)
                yield (present, Literal(self.node_of(term), Role.DENIED))
            return
        group = node.groups[0]
        base = _with(node, groups=node.groups[1:])
        branches = [self.node_of(branch) for branch in group.branches]
        is_only_union = base.unrestricted
        yield tuple(Literal(branch if is_only_union else both(base, branch), role) for branch in branches)
        if self._exclusive(group):
            for first, second in self._overlaps(branches):
                yield (Literal(base, Role.HELD), Literal(first, Role.HELD), Literal(second, Role.HELD))

    def _overlaps(self, branches: list[Node]) -> Iterator[tuple[Node, Node]]:
        """Yield the pairs of alternatives for which one value can be valid in both alternatives.

        In requests and responses, objects do not count if both alternatives allow undeclared properties:
        nearly all such alternatives have objects in common, but clients do not send these objects.
        """
        for index, first in enumerate(branches):
            self.step(1 + (len(branches) - index) // _PAIRS_IN_STEP)
            for second in branches[index + 1 :]:
                # In requests and responses, null is not an overlap of two alternatives that both allow null.
                nulls = frozenset[str]() if self.direction is Direction.NONE else frozenset({"null"})
                types = first.types & second.types - nulls
                if self._both_open(first, second):
                    types -= {"object"}
                if types and not self.disjoint(first, second):
                    yield (limited(first, types), second)

    def _exclusive(self, group: Group) -> bool:
        """Return whether a value must match exactly one alternative.

        The result is True for a `oneOf`, unless it has a discriminator or contains itself as an alternative.
        """
        return group.kind == "oneOf" and group.discriminator is None and not self._is_recursive(group)

    def _both_open(self, first: Node, second: Node) -> bool:
        """Return whether two alternatives are open objects; open objects nearly always match each other."""
        return self.direction is not Direction.NONE and members.is_open(first) and members.is_open(second)

    def _requires(self, node: Node, name: str) -> Node:
        element = node.elements[0]
        return Node(
            key=("requires", name),
            elements=(),
            types=frozenset({"object"}),
            required={name: element},
            derived=True,
        )

    # --- simple schemas -----------------------------------------------------------------------------

    def _of_type(self, literals: Literals) -> Any:
        """Return a value that fits all `literals`, or `NOTHING`. Their schemas must not be composed."""
        types = ALL_TYPES
        for node, role in literals:
            types = types & node.types if role.positive else types
        for kind in TYPES:
            if kind in types:
                value = self._of_one_type(literals, kind)
                if value is not NOTHING:
                    return value
        return NOTHING

    def _of_one_type(self, literals: Literals, kind: str) -> Any:
        positive = [literal for literal in literals if literal.role.positive]
        negative = [
            literal for literal in literals if not literal.role.positive and kind in literal.node.types
        ]
        merged = Node(key=(), elements=(), types=frozenset({kind}))
        for node, _ in positive:
            merged = intersection(merged, only(node, kind), ())
        merged = consistent(merged)
        if merged.impossible:
            return NOTHING
        enumerated: list[Any] = _FINITE.get(kind, [])
        if kind in merged.values or (enumerated and kind not in merged.values):
            values = list(merged.values[kind].values()) if kind in merged.values else enumerated
            return self._listed(values, literals)
        rejecting = [literal.node for literal in negative]
        if kind == "number":
            value = scalar_values.number(merged, rejecting)
        elif kind == "string":
            value = scalar_values.text(merged, rejecting)
            if isinstance(value, Limit):
                raise _LimitError(value)
        elif kind == "array":
            return array_values.array(self, merged, positive, negative)
        else:
            return members.Objects(self, merged, positive, negative).find()
        return NOTHING if value is None else value

    def _listed(self, values: list[Any], literals: Literals) -> Any:
        """Return the first value in `values` that fits all `literals`, or `NOTHING`."""
        holds = self.member.holds
        for value in values:
            if all(
                holds(node, value) is not False if role.positive else holds(node, value) is not True
                for node, role in literals
            ):
                return value
        return NOTHING


def composed(node: Node) -> bool:
    """Return whether a schema has `oneOf`, `anyOf`, `not`, `if` or `dependentSchemas`."""
    return bool(node.groups or node.negations or node.conditions or node.dependent_schemas)


def _count(node: Node, *, positive: bool) -> int:
    """Return the approximate number of alternatives into which a composed schema is split."""
    if positive:
        return 1 if node.negations else len(node.groups[0].branches) if node.groups else 2
    return 1 + len(node.negations) + 2 * (len(node.conditions) + len(node.dependent_schemas))


def _with(node: Node, **changes: Any) -> Node:
    """Return a copy of the schema with new values for the fields in `changes`, such as fewer `groups`."""
    remaining_counts = (
        len(changes.get("groups", node.groups)),
        len(changes.get("negations", node.negations)),
        len(changes.get("conditions", node.conditions)),
        len(changes.get("dependent_schemas", node.dependent_schemas)),
    )
    return replace(node, **changes, key=("rest of", node.key, remaining_counts), derived=True)


def _without(terms: Any, name: str) -> dict[str, Term]:
    return {key: term for key, term in terms.items() if key != name}
