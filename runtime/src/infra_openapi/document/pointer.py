"""JSON pointers (RFC 6901): the keys of one, and a key as it is written in one."""

from __future__ import annotations


def tokens(pointer: str) -> list[str]:
    """The keys of a JSON pointer, unescaped."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def escaped(key: str) -> str:
    """A key as it stands in a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1") if "/" in key or "~" in key else key
