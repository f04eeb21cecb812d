"""Whether two sites say the same: by hash, and through their references."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeAlias

from infra_runtime.openapi.reference import packed, references

if TYPE_CHECKING:
    from infra_runtime.openapi.document import Site

_Place: TypeAlias = tuple[str, str]


class Sameness:
    """The equalities of one pair of documents, each found once."""

    def __init__(self) -> None:
        self._digests: dict[int, tuple[bytes, list[str]]] = {}
        # What an id belongs to must live as long as the table does.
        self._alive: list[Any] = []
        self._clean: dict[tuple[_Place, _Place], bool] = {}

    def digest(self, raw: Any) -> bytes:
        """A value's content as sixteen bytes."""
        return self._content(raw)[0]

    def _content(self, raw: Any) -> tuple[bytes, list[str]]:
        known = self._digests.get(id(raw))
        if known is None:
            content = packed(raw)
            found = references(content) if b"ef" in content else []
            found += _mapped(raw) if b"discriminator" in content and b"mapping" in content else []
            known = (hashlib.blake2b(content, digest_size=16).digest(), found)
            self._digests[id(raw)] = known
            self._alive.append(raw)
        return known

    def same(self, base: Site, revision: Site) -> bool:
        """Whether both say the same, whatever their references lead to included. Never a false yes."""
        first, refs = self._content(base.raw)
        if first != self._content(revision.raw)[0]:
            return False
        return all(self._same_target(base, revision, ref) for ref in refs)

    def _same_target(self, base: Site, revision: Site, ref: str) -> bool:
        start = self._pair(base, revision, ref)
        if start is None:
            return False
        if _key(start) not in self._clean:
            self._explore(start)
        return self._clean[_key(start)]

    def _pair(self, base: Site, revision: Site, ref: str) -> tuple[Site, Site] | None:
        try:
            return base.document.resolver.resolved(base, ref), revision.document.resolver.resolved(
                revision, ref
            )
        except Exception as error:
            from infra_runtime.openapi.errors import CompareError

            if isinstance(error, CompareError):  # a reference in an example, which leads nowhere
                return None
            raise

    def _explore(self, start: tuple[Site, Site]) -> None:
        """Walk all that is reached from here, then carry every difference back to who reaches it."""
        users: dict[tuple[_Place, _Place], list[tuple[_Place, _Place]]] = {}
        met: dict[tuple[_Place, _Place], bool] = {_key(start): True}
        waiting, different = [start], []
        while waiting:
            base, revision = waiting.pop()
            here = _key((base, revision))
            first, refs = self._content(base.raw)
            alike = first == self._content(revision.raw)[0]
            for ref in refs if alike else ():
                pair = self._pair(base, revision, ref)
                if pair is None or not self._clean.get(_key(pair), True):
                    alike = False
                    break
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


def _mapped(raw: Any) -> list[str]:
    """Where discriminators lead: a base schema stands for what its mapping names."""
    found: dict[str, None] = {}
    waiting = [raw]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
            discriminator = value.get("discriminator")
            mapping = discriminator.get("mapping") if isinstance(discriminator, dict) else None
            for target in mapping.values() if isinstance(mapping, dict) else ():
                if isinstance(target, str) and "/" in target:
                    found[target] = None
    return list(found)


def _key(pair: tuple[Site, Site]) -> tuple[_Place, _Place]:
    return (pair[0].file, pair[0].pointer), (pair[1].file, pair[1].pointer)
