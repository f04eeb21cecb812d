"""Compare the content of elements (parts of documents) by hash, including the targets of references."""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeAlias

from infra_openapi.document import Element
from infra_openapi.document.reference import all_targets, mapped, packed, references
from infra_openapi.errors import CompareError

_Key: TypeAlias = tuple[str, str]
#: The keywords whose value is a list without an order.
_SETS = frozenset({"allOf", "anyOf", "oneOf", "enum", "required", "type"})


class Equality:
    """Decides which elements (parts) of two documents have the same content; each pair is compared once."""

    def __init__(self) -> None:
        self._digests: dict[int, tuple[bytes, list[str], int]] = {}
        self._unordered: dict[int, bytes] = {}
        # The tables contain ids of objects, so the objects must not be freed.
        self._alive: list[Any] = []
        self._clean: dict[tuple[_Key, _Key], bool] = {}

    def digest(self, raw: Any) -> bytes:
        """Return a hash of a value (16 bytes)."""
        return self._content(raw)[0]

    def unordered(self, raw: Any) -> bytes:
        """Return a hash of a value (16 bytes), independent of the order of keys and of alternatives."""
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

        If the result is True, the content is certainly the same. If it is False, the content can still be the
        same.
        """
        if not self._alike(base.raw, revision.raw):
            return False
        return all(self._same_target(base, revision, ref) for ref in self._content(base.raw)[1])

    def _alike(self, raw: Any, other: Any) -> bool:
        """Return whether two values are equal, apart from the order of their keys."""
        (first, _, size), (second, _, other_size) = self._content(raw), self._content(other)
        return first == second or (size == other_size and _sorted(raw) == _sorted(other))

    def _same_target(self, base: Element, revision: Element, ref: str) -> bool:
        starts = self._pairs(base, revision, ref)
        if starts is None:
            return False
        for start in starts:
            if _key(start) not in self._clean:
                self._explore(start)
        return all(self._clean[_key(start)] for start in starts)

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
        met: dict[tuple[_Key, _Key], bool] = {_key(start): True}
        waiting, different = [start], []
        while waiting:
            base, revision = waiting.pop()
            here = _key((base, revision))
            alike = self._alike(base.raw, revision.raw)
            for ref in self._content(base.raw)[1] if alike else ():
                pairs = self._pairs(base, revision, ref)
                if pairs is None or not all(self._clean.get(_key(pair), True) for pair in pairs):
                    alike = False
                    break
                for pair in pairs:
                    users.setdefault(_key(pair), []).append(here)
                    if _key(pair) not in self._clean and _key(pair) not in met:
                        met[_key(pair)] = True
                        waiting.append(pair)
            if not alike:
                different.append(here)
        while different:
            here = different.pop()
            if met.get(here):
                met[here] = False
                different += users.get(here, [])
        self._clean |= met


def _sorted(raw: Any) -> str:
    return json.dumps(raw, sort_keys=True, default=repr)


def _key(pair: tuple[Element, Element]) -> tuple[_Key, _Key]:
    return (pair[0].file, pair[0].pointer), (pair[1].file, pair[1].pointer)
