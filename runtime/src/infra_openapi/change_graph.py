"""The change graph of one comparison: it contains each change once, with the operations that are affected.

The nodes of the graph are scopes. A scope is a pair of elements, one from each document, with the facts about
this pair and links to the scopes of inner elements. Apart from pairs of operations, a pair of elements with
equal content has no scope. If a pair occurs again, the graph gets only a new link, so the cost depends on the
number of distinct pairs and not on the number of operations. Copies of a schema that contains other schemas
are one pair.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Hashable, Iterator
from typing import Any

from infra_openapi.document import Element
from infra_openapi.facts import FactKind
from infra_openapi.finding import Direction
from infra_openapi.schema import inclusion
from infra_openapi.schema.change import Fact, Mode, Pair
from infra_openapi.schema.node import Node, Term
from infra_openapi.schema.schemas import Schemas

_NAMED = re.compile(r"/(?:components/[^/]+|\$defs|definitions)/[^/]+\Z")
#: Keywords that contain or refer to other schemas. A schema that has no name in the document and none of
#: these keywords is identified by its content and its parent.
_PARTS = frozenset(
    {
        "properties",
        "items",
        "prefixItems",
        "allOf",
        "oneOf",
        "anyOf",
        "not",
        "if",
        "additionalProperties",
        "patternProperties",
        "dependentSchemas",
        "contains",
        "propertyNames",
        "$ref",
    }
)
#: The maximum number of copies that are stored for a scope.
_MAX_COPIES = 50


class Scope:
    """A node of the change graph: a pair of elements, one from each document, with facts and links.

    The facts are the differences of the two elements. The links lead to the scopes of inner elements.
    """

    def __init__(
        self,
        graph: ChangeGraph,
        number: int,
        base: Element | None,
        revision: Element | None,
        parent: Scope | None,
    ) -> None:
        self.graph, self.number = graph, number
        self.base, self.revision = base, revision
        #: The first scope that has a link to this scope.
        self.parent = parent
        #: The compared schemas; None if the scope was not created for a pair of schemas, or before the
        #: comparison.
        self.pair: Pair | None = None
        self.facts: list[Fact] = []
        self.leads_to: dict[int, None] = {}
        self.copies: list[tuple[Element | None, Element | None]] = []

    def fact(  # noqa: PLR0917 - the arguments have the order of the fields of `Fact`
        self,
        kind: FactKind,
        direction: Direction,
        base: Element | None,
        revision: Element | None,
        before: Any = None,
        after: Any = None,
        subject: str = "",
    ) -> None:
        """Add a fact to the scope, which is a pair of an old and a new element.

        If `base` or `revision` is None, the element of the scope in the same document is used.
        """
        base, revision = base or self.base, revision or self.revision
        self.facts.append(Fact(kind, direction, base, revision, before, after, subject))

    def enter(
        self, kind: str, base: Element | None, revision: Element | None, direction: Direction
    ) -> Scope | None:
        """Return a new scope for a pair of parts; None if the parts are equal or already have a scope.

        A scope is a pair of an old and a new element in the change graph. If the parts differ, a link from
        this scope to the scope of the parts is added.
        """
        schemas = self.graph.schemas
        if base is not None and revision is not None and schemas.equality.same(base, revision):
            return None
        key = (kind, direction, self.graph.content(base), self.graph.content(revision))
        scope, is_new = self.graph.scope(key, base, revision, self)
        self.leads_to[scope.number] = None
        return scope if is_new else None

    def schema(self, old: Term, new: Term, mode: Mode, name: str = "") -> None:
        """Add two schemas to the queue of pairs to compare later, unless they are equal or have a scope."""
        self.graph.pair(self, Pair(old, new, mode, name), 0)


class ChangeGraph:
    """The scopes of one comparison, and the queue of schema pairs that are compared later.

    A scope is a pair of an old and a new element, with the facts about their differences.
    """

    def __init__(self, context: inclusion.Context) -> None:
        self.context = context
        self.scopes: list[Scope] = []
        self._by_key: dict[Hashable, Scope] = {}
        self._waiting: deque[tuple[Scope, Pair]] = deque()

    @property
    def schemas(self) -> Schemas:
        """Return the schemas of both documents."""
        return self.context.schemas

    def scope(
        self, key: Hashable, base: Element | None, revision: Element | None, parent: Scope | None = None
    ) -> tuple[Scope, bool]:
        """Return the scope (the pair of elements) with the key `key`, and whether this call created it."""
        existing = self._by_key.get(key)
        if existing is not None:
            if len(existing.copies) < _MAX_COPIES and _is_new_copy(existing, base, revision):
                existing.copies.append((base, revision))
            return existing, False
        new_scope = Scope(self, len(self.scopes), base, revision, parent)
        self.scopes.append(new_scope)
        self._by_key[key] = new_scope
        return new_scope, True

    def content(self, element: Element | None) -> Hashable:
        """Return a key for the content of an element; elements with equal content in one file share a key."""
        return None if element is None else (element.file, self.schemas.equality.digest(element.raw))

    def pair(self, parent: Scope, pair: Pair, index: int) -> None:
        """Add a link from the scope `parent` to the scope of two schemas that its elements contain.

        If the schemas have the same content, no link is added. If the scope is new, the pair is added to the
        queue. `index` is the position of the pair among the pairs of `parent`.
        """
        if self.schemas.same(pair):
            return
        old, new = self.schemas.normal(pair.old), self.schemas.normal(pair.new)
        if old.derived or new.derived:
            key: Hashable = ("part", parent.number, index, pair.mode)
        else:
            old_key, new_key = (
                self._schema_key(old, parent, pair.name),
                self._schema_key(new, parent, pair.name),
            )
            key = ("schema", pair.mode, old_key, new_key)
        scope, is_new = self.scope(key, old.element, new.element, parent)
        parent.leads_to[scope.number] = None
        if is_new:
            self._waiting.append((scope, Pair(old, new, pair.mode, pair.name)))

    def _schema_key(self, node: Node, parent: Scope, name: str) -> tuple[Hashable, ...]:
        if len(node.elements) != 1:
            return ("at", node.key)
        element = node.elements[0]
        if _NAMED.search(element.pointer) or not isinstance(element.raw, dict):
            return ("at", element.file, element.pointer)
        if _PARTS.isdisjoint(element.raw):
            return ("leaf", parent.number, name, self.content(element))
        return ("like", self.content(element))

    def compare_queued_pairs(self) -> None:
        """Compare all schema pairs in the queue, including pairs that the comparison adds to the queue."""
        while self._waiting:
            scope, pair = self._waiting.popleft()
            change = inclusion.change(pair, self.context)
            scope.pair = pair
            scope.facts += change.facts
            for index, part in enumerate(change.pairs):
                self.pair(scope, part, index)

    def reach(self, starts: list[Scope]) -> list[int]:
        """Return, for each scope, the start scopes (operations) from which links lead to the scope.

        Each item of the result is a number with one bit for each item of `starts`: bit 0 for the first item,
        bit 1 for the second item, and so on.
        """
        reached = [0] * len(self.scopes)
        queue: deque[int] = deque()
        for bit, start in enumerate(starts):
            reached[start.number] |= 1 << bit
            queue.append(start.number)
        queued = set(queue)
        while queue:
            number = queue.popleft()
            queued.discard(number)
            for inner in self.scopes[number].leads_to:
                if reached[number] & ~reached[inner]:
                    reached[inner] |= reached[number]
                    if inner not in queued:
                        queued.add(inner)
                        queue.append(inner)
        return reached


def _is_new_copy(scope: Scope, base: Element | None, revision: Element | None) -> bool:
    known_pairs = [(scope.base, scope.revision), *scope.copies]
    return all((_key(old), _key(new)) != (_key(base), _key(revision)) for old, new in known_pairs)


def _key(element: Element | None) -> tuple[str, str] | None:
    return None if element is None else (element.file, element.pointer)


def copies(scope: Scope, element: Element | None, *, revision: bool) -> Iterator[tuple[str, str]]:
    """Yield the file and the JSON pointer of the copies of an element; the element itself can be among them.

    A schema can be written several times in a document. The copies are those of the element's scope and of
    the scopes that contain it; each scope stores at most `_MAX_COPIES` copies.
    """
    container: Scope | None = scope
    while element is not None and container is not None:
        root = container.revision if revision else container.base
        if root is not None and element.file == root.file and element.pointer.startswith(root.pointer):
            for pair in container.copies:
                copy = pair[1] if revision else pair[0]
                if copy is not None:
                    yield copy.file, copy.pointer + element.pointer[len(root.pointer) :]
        container = container.parent
