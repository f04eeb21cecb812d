"""Pair the old and the new schemas of a keyword that one schema can have several times, such as `not`.

The order of these schemas has no meaning, so the pairs must not depend on the order of the documents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from infra_openapi.equality import Equality
from infra_openapi.schema.node import Term

T = TypeVar("T")
#: Whether an old and a new part have a certain relation, for example the same content.
Relation: TypeAlias = Callable[[T, T], bool]


class Pairing(NamedTuple):
    """The pairs of old and new parts, and the parts without a partner."""

    pairs: list[tuple[Any, Any]]
    removed: list[Any]
    added: list[Any]


def paired(
    olds: Iterable[T], news: Iterable[T], key: Callable[[T], bytes], relations: Sequence[Relation[T]]
) -> Pairing:
    """Pair old and new parts for which the first relation is true, then those for the second, and so on.

    If a relation is true for several pairs, the order of the keys decides. Parts with equal keys must be
    interchangeable.
    """
    removed, added = sorted(olds, key=key), sorted(news, key=key)
    pairs: list[tuple[T, T]] = []
    for relation in relations:
        rest: list[T] = []
        for old in removed:
            index = next((index for index, new in enumerate(added) if relation(old, new)), None)
            if index is None:
                rest.append(old)
            else:
                pairs.append((old, added.pop(index)))
        removed = rest
    return Pairing(pairs, removed, added)


def content_key(equality: Equality, *terms: Term) -> bytes:
    """Return a key of the content of schemas, independent of the order of keywords and alternatives."""
    return b"|".join(b"".join(sorted(equality.unordered(part.raw) for part in term)) for term in terms)
