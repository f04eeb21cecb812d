"""Search for a value that some schemas allow and that other schemas refuse.

A question is a list of schemas with roles (`Role`): the schemas that must allow the value, and the schemas
that must not allow it. The answer is a value, a proof that no value exists, or a limit that the search
reached. The comparison of composed schemas consists of such questions. Schema A includes schema B if no value
is allowed by B and refused by A. Two alternatives overlap if a value is allowed by both.

For requests and responses, a client is assumed to send and read only the properties that its schema
describes. Therefore, a property that only the new schema describes does not matter. If only the old schema
describes a property, the new schema does not include the old one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import replace
from itertools import combinations
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

#: The values of the types that have few values.
_FINITE: dict[str, list[Any]] = {"null": [None], "boolean": [False, True]}
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
    """The error that the search for a value has reached a limit."""

    def __init__(self, limit: Limit) -> None:
        super().__init__(str(limit))
        self.limit = limit


class Questions:
    """Searches for values in one direction (request, response or none); each answer is computed once.

    A schema can refer to itself, so the search can reach the same question again while it answers this
    question. If the question contains a schema that must not allow the value, the search then assumes that no
    value exists. If it finds a value later, the assumption was wrong, and all answers that depend on it are
    removed.
    """

    def __init__(
        self,
        direction: Direction,
        normalizer: Normalizer,
        member: Membership,
        same: Callable[[Node, Node], bool],
    ) -> None:
        self.direction, self.node_of, self.member = direction, normalizer.node, member
        self._same, self._returns = same, normalizer.returns
        self._none: set[Hashable] = set()
        self._found: dict[Hashable, Any] = {}
        self._tags: dict[Hashable, dict[str, frozenset[str]]] = {}
        self._trail: list[Hashable] = []
        self._underway: set[Hashable] = set()
        self._steps = self._depth = 0

    def ask(self, **roles: Unpack[Roles]) -> Any:
        """Return a value that fits all roles, `NOTHING` if no value fits, or the limit that was reached.

        The value is a suggestion: it is not checked against keywords that cannot be evaluated.
        """
        literals = [Literal(node, Role.SENT) for node in roles.get("sent", ())]
        literals += [Literal(node, Role.HELD) for node in roles.get("held", ())]
        literals += [Literal(node, Role.REFUSED) for node in roles.get("refused", ())]
        literals += [Literal(node, Role.DENIED) for node in roles.get("denied", ())]
        types = roles.get("types", ALL_TYPES)
        if types != ALL_TYPES:
            limit = Node(key=("types", types), elements=(), types=types, derived=True)
            literals.append(Literal(limit, Role.HELD))
        mark = len(self._trail)
        self._steps = self._depth = 0
        try:
            return self.find(tuple(literals))
        except (_LimitError, RecursionError) as error:
            self._undo(mark)
            self._underway.clear()
            return error.limit if isinstance(error, _LimitError) else STACK

    def unanswerable(self, **roles: Unpack[Roles]) -> Answer:
        """Return whether it is proved that no value fits these roles, or the limit that was reached."""
        value = self.ask(**roles)
        return value if isinstance(value, Limit) else value is NOTHING

    def _undo(self, mark: int) -> None:
        self._none.difference_update(self._trail[mark:])
        del self._trail[mark:]

    def step(self, count: int = 1) -> None:
        """Count steps of the search. Raises `_LimitError` if the question needs too many steps."""
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
        kept = self._relevant(literals)
        if kept is None:
            return NOTHING
        key = frozenset((node.key, role) for node, role in kept)
        if key in self._none:
            return NOTHING
        if key in self._found:
            return self._found[key]
        if key in self._underway:
            return {}
        self.step(1 + len(kept) // _LITERALS_IN_STEP)
        mark = len(self._trail)
        proving = any(not role.positive for _, role in kept)
        if proving:
            self._none.add(key)
            self._trail.append(key)
        else:
            # A schema that requires itself allows no finite value. The search nevertheless returns a value,
            # because the author of the schema did not intend this.
            self._underway.add(key)
        value = self._split(kept)
        self._underway.discard(key)
        if value is not NOTHING:
            if proving:
                self._undo(mark)
            self._found[key] = value
        elif not proving:
            self._none.add(key)
            self._trail.append(key)
        return value

    def _relevant(self, literals: Literals) -> Literals | None:
        """Return the literals without those that have no effect; None if two literals exclude each other."""
        unique = {(node.key, role): Literal(node, role) for node, role in literals}.values()
        positive: list[Literal] = []
        for literal in sorted(unique, key=lambda literal: literal.role):
            if literal.role.positive and not any(self._equal(chosen, literal) for chosen in positive):
                positive.append(literal)
        types = ALL_TYPES
        for node, _ in positive:
            types &= node.types
        if not types or any(self.apart(one.node, other.node) for one, other in combinations(positive, 2)):
            return None
        negative: list[Literal] = []
        for literal in unique:
            node = literal.node
            if literal.role.positive or not node.types & types:
                continue
            if node.unrestricted or any(self._equal(chosen, literal) for chosen in positive):
                return None
            if not any(self.apart(chosen.node, node) for chosen in positive):
                negative.append(literal)
        kept = [chosen for chosen in positive if not chosen.node.unrestricted]
        return (*kept, *negative)

    def _equal(self, one: Literal, other: Literal) -> bool:
        return one.node.key == other.node.key or self._same(one.node, other.node)

    def apart(self, one: Node, other: Node) -> bool:
        """Return whether two schemas have no common value because of their types or tags."""
        if not one.types & other.types:
            return True
        if one.types != {"object"} and other.types != {"object"}:
            return False
        mine, theirs = self.tags(one), self.tags(other)
        return any(mine[name].isdisjoint(theirs[name]) for name in mine.keys() & theirs.keys())

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
        """Yield the alternatives of a composed schema; a value must fit all literals of an alternative."""
        return self._allowing(node, role) if role.positive else self._refusing(node, role)

    def _allowing(self, node: Node, role: Role) -> Iterator[Literals]:
        if node.negations:
            denied = tuple(Literal(self.node_of(term), Role.DENIED) for term in node.negations)
            yield (Literal(_rest(node, negations=()), role), *denied)
        elif node.groups:
            group = node.groups[0]
            base = Literal(_rest(node, groups=node.groups[1:]), role)
            branches = [self.node_of(branch) for branch in group.branches]
            for index, branch in enumerate(branches):
                others = branches[:index] + branches[index + 1 :] if self._exclusive(group) else []
                kept = (
                    limited(other, ALL_TYPES - {"object"} if self._both_open(branch, other) else ALL_TYPES)
                    for other in others
                    if not self.apart(branch, other)
                )
                excluded = (Literal(other, Role.DENIED) for other in kept if other.types & branch.types)
                yield (base, Literal(branch, role), *excluded)
        elif node.conditions:
            first = node.conditions[0]
            base = Literal(_rest(node, conditions=node.conditions[1:]), role)
            when, then, otherwise = map(self.node_of, (first.when, first.then, first.otherwise))
            yield (base, Literal(when, role), Literal(then, role))
            yield (base, Literal(when, Role.DENIED), Literal(otherwise, role))
        else:
            name, term = next(iter(node.dependent_schemas.items()))
            base = Literal(_rest(node, dependent_schemas=_without(node.dependent_schemas, name)), role)
            yield (base, Literal(self._requires(node, name), Role.DENIED))
            yield (base, Literal(self.node_of(term), role))

    def _refusing(self, node: Node, role: Role) -> Iterator[Literals]:
        if node.negations or node.conditions or node.dependent_schemas:
            # The role is `DENIED`: another keyword may describe a property that the rest does not describe.
            rest = _rest(node, negations=(), conditions=(), dependent_schemas={})
            if not rest.unrestricted:
                yield (Literal(rest, Role.DENIED),)
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
        base = _rest(node, groups=node.groups[1:])
        branches = [self.node_of(branch) for branch in group.branches]
        alone = base.unrestricted
        yield tuple(Literal(branch if alone else both(base, branch), role) for branch in branches)
        if self._exclusive(group):
            for one, other in self._overlaps(branches):
                yield (Literal(base, Role.HELD), Literal(one, Role.HELD), Literal(other, Role.HELD))

    def _overlaps(self, branches: list[Node]) -> Iterator[tuple[Node, Node]]:
        """Yield the pairs of alternatives that can have a common value other than an open object.

        An open object allows undeclared properties, so nearly all open objects have common values. Clients do
        not send these values.
        """
        for index, one in enumerate(branches):
            self.step(1 + (len(branches) - index) // _PAIRS_IN_STEP)
            for other in branches[index + 1 :]:
                # In requests and responses, a null that both alternatives allow does not count as an overlap.
                nulls = frozenset[str]() if self.direction is Direction.NONE else frozenset({"null"})
                types = one.types & other.types - nulls
                if self._both_open(one, other):
                    types -= {"object"}
                if types and not self.apart(one, other):
                    yield (limited(one, types), other)

    def _exclusive(self, group: Group) -> bool:
        """Return whether a value must match exactly one alternative.

        This is true for a `oneOf`, unless a discriminator selects the alternative, or the `oneOf` contains
        itself as an alternative, which is a circular definition.
        """
        return group.kind == "oneOf" and group.discriminator is None and not self._returns(group)

    def _both_open(self, one: Node, other: Node) -> bool:
        """Return whether two alternatives are open objects; open objects nearly always match each other."""
        return self.direction is not Direction.NONE and members.opened(one) and members.opened(other)

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
        listed: list[Any] = _FINITE.get(kind, [])
        if kind in merged.values or (listed and kind not in merged.values):
            return self._listed(
                list(merged.values[kind].values()) if kind in merged.values else listed, literals
            )
        refusals = [literal.node for literal in negative]
        if kind == "number":
            value = scalar_values.number(merged, refusals)
        elif kind == "string":
            value = scalar_values.text(merged, refusals)
            if isinstance(value, Limit):
                raise _LimitError(value)
        elif kind == "array":
            return array_values.array(self, merged, positive, negative)
        else:
            return members.Objects(self, merged, positive, negative).find()
        return NOTHING if value is None else value

    def _listed(self, values: list[Any], literals: Literals) -> Any:
        """Return the first of the `values` that fits all `literals`, or `NOTHING`."""
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


def _rest(node: Node, **changes: Any) -> Node:
    """Return a copy of the schema with `changes`: new values of fields, without keywords such as `oneOf`."""
    left = (
        len(changes.get("groups", node.groups)),
        len(changes.get("negations", node.negations)),
        len(changes.get("conditions", node.conditions)),
        len(changes.get("dependent_schemas", node.dependent_schemas)),
    )
    return replace(node, **changes, key=("rest of", node.key, left), derived=True)


def _without(terms: Any, name: str) -> dict[str, Term]:
    return {key: term for key, term in terms.items() if key != name}
