"""Pair the old and new schemas under a keyword that a schema can have several times, such as `not`.

The order of these schemas has no meaning, so the pairs must not depend on the order of the documents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from infra_openapi.equality import Equality
from infra_openapi.schema.node import Term

T = TypeVar("T")
#: A function that returns whether an old and a new part have a relation, for example the same content.
Relation: TypeAlias = Callable[[T, T], bool]


class Pairing(NamedTuple):
    """The pairs of old and new parts, and the parts without a partner."""

    pairs: list[tuple[Any, Any]]
    removed: list[Any]
    added: list[Any]


def paired(
    old_parts: Iterable[T],
    new_parts: Iterable[T],
    key: Callable[[T], bytes],
    relations: Sequence[Relation[T]],
) -> Pairing:
    """Pair the old and new parts with the first relation, then the remaining parts with the second, …

    If an old part has a relation to several new parts, the new part with the smallest key is paired. Parts
    with equal keys must be interchangeable.
    """
    removed, added = sorted(old_parts, key=key), sorted(new_parts, key=key)
    pairs: list[tuple[T, T]] = []
    for relation in relations:
        unmatched: list[T] = []
        for old in removed:
            index = next((index for index, new in enumerate(added) if relation(old, new)), None)
            if index is None:
                unmatched.append(old)
            else:
                pairs.append((old, added.pop(index)))
        removed = unmatched
    return Pairing(pairs, removed, added)


def content_key(equality: Equality, *terms: Term) -> bytes:
    """Return a key of the content of schemas, independent of the order of keywords and alternatives."""
    return b"|".join(b"".join(sorted(equality.unordered(part.raw) for part in term)) for term in terms)
