"""Compare the content of elements (parts of documents) by hash, including the targets of references."""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeAlias

from infra_openapi.document import Element
from infra_openapi.document.reference import all_targets, mapped, packed, references
from infra_openapi.errors import CompareError

_Key: TypeAlias = tuple[str, str]
#: The keywords whose value is a list without a meaningful order.
_SETS = frozenset({"allOf", "anyOf", "oneOf", "enum", "required", "type"})


class Equality:
    """Compares elements (parts) of two documents by content.

    The hashes of values, and the results for the targets of references, are stored.
    """

    def __init__(self) -> None:
        self._digests: dict[int, tuple[bytes, list[str], int]] = {}
        self._unordered: dict[int, bytes] = {}
        # The keys of the tables are ids of objects. The objects must not be freed, because Python reuses ids.
        self._alive: list[Any] = []
        self._equal_pairs: dict[tuple[_Key, _Key], bool] = {}

    def digest(self, raw: Any) -> bytes:
        """Return a hash of a value (16 bytes)."""
        return self._content(raw)[0]

    def unordered(self, raw: Any) -> bytes:
        """Return a hash (16 bytes) of a value; the order of keys and of lists such as `enum` is ignored."""
        digest = self._unordered.get(id(raw))
        if digest is None:
            if isinstance(raw, dict):
                parts = [key.encode() + b"=" + self._part(key, part) for key, part in sorted(raw.items())]
            elif isinstance(raw, list):
                parts = [self.unordered(part) for part in raw]
            else:
                parts = [packed(raw)]
            content = b"%d:%s" % (isinstance(raw, dict), b",".join(parts))
            digest = self._unordered[id(raw)] = hashlib.blake2b(content, digest_size=16).digest()
            self._alive.append(raw)
        return digest

    def _part(self, key: str, part: Any) -> bytes:
        if key in _SETS and isinstance(part, list):
            return b",".join(sorted(self.unordered(member) for member in part))
        return self.unordered(part)

    def _content(self, raw: Any) -> tuple[bytes, list[str], int]:
        """Return the hash of a value, its references, and its size in bytes.

        The order of keys has an effect on the hash, but not on the size.
        """
        entry = self._digests.get(id(raw))
        if entry is None:
            content = packed(raw)
            targets = references(content) if b"ef" in content else []
            targets += mapped(content) if b"discriminator" in content and b"mapping" in content else []
            entry = (hashlib.blake2b(content, digest_size=16).digest(), targets, len(content))
            self._digests[id(raw)] = entry
            self._alive.append(raw)
        return entry

    def same(self, base: Element, revision: Element) -> bool:
        """Return whether two elements have the same content, including the targets of their references.

        If the result is True, the content is the same. If the result is False, the content can be the same or
        different.
        """
        if not self._equal_values(base.raw, revision.raw):
            return False
        return all(self._same_targets(base, revision, ref) for ref in self._content(base.raw)[1])

    def _equal_values(self, raw: Any, other_raw: Any) -> bool:
        """Return whether two values are equal, apart from the order of their keys."""
        (digest, _, size), (other_digest, _, other_size) = self._content(raw), self._content(other_raw)
        return digest == other_digest or (size == other_size and _sorted(raw) == _sorted(other_raw))

    def _same_targets(self, base: Element, revision: Element, ref: str) -> bool:
        starts = self._pairs(base, revision, ref)
        if starts is None:
            return False
        for start in starts:
            if _key(start) not in self._equal_pairs:
                self._explore(start)
        return all(self._equal_pairs[_key(start)] for start in starts)

    def _pairs(self, base: Element, revision: Element, ref: str) -> list[tuple[Element, Element]] | None:
        """Return pairs of an old and a new target: the targets of the reference `ref` in both documents.

        The result is None if the reference does not have the same number of targets in both documents, or if
        its target does not exist.
        """
        try:
            before = all_targets(base, ref)
            after = all_targets(revision, ref)
        except CompareError:  # the reference is part of an example and has no target
            return None
        return list(zip(before, after, strict=True)) if len(before) == len(after) else None

    def _explore(self, start: tuple[Element, Element]) -> None:
        """Visit a pair of elements, and all pairs to which references in these elements lead.

        A pair is marked as different if its elements differ, or if its references lead to a pair of different
        elements.
        """
        users: dict[tuple[_Key, _Key], list[tuple[_Key, _Key]]] = {}
        visited: dict[tuple[_Key, _Key], bool] = {_key(start): True}
        queue, different = [start], []
        while queue:
            base, revision = queue.pop()
            key = _key((base, revision))
            is_equal = self._equal_values(base.raw, revision.raw)
            for ref in self._content(base.raw)[1] if is_equal else ():
                pairs = self._pairs(base, revision, ref)
                if pairs is None or not all(self._equal_pairs.get(_key(pair), True) for pair in pairs):
                    is_equal = False
                    break
                for pair in pairs:
                    users.setdefault(_key(pair), []).append(key)
                    if _key(pair) not in self._equal_pairs and _key(pair) not in visited:
                        visited[_key(pair)] = True
                        queue.append(pair)
            if not is_equal:
                different.append(key)
        while different:
            key = different.pop()
            if visited.get(key):
                visited[key] = False
                different += users.get(key, [])
        self._equal_pairs |= visited


def _sorted(raw: Any) -> str:
    return json.dumps(raw, sort_keys=True, default=repr)


def _key(pair: tuple[Element, Element]) -> tuple[_Key, _Key]:
    return (pair[0].file, pair[0].pointer), (pair[1].file, pair[1].pointer)
