"""Split JSON pointers (RFC 6901) into keys, and escape keys."""

from __future__ import annotations


def tokens(pointer: str) -> list[str]:
    """Return the keys of a JSON pointer, without escape sequences."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def escaped(key: str) -> str:
    """Return a key with the escape sequences of JSON pointers."""
    return key.replace("~", "~0").replace("/", "~1") if "/" in key or "~" in key else key
