"""Split JSON pointers (RFC 6901) into keys, and escape keys."""

from __future__ import annotations


def tokens(pointer: str) -> list[str]:
    """Return the keys of a JSON pointer; their escape sequences are decoded (`~1` to `/`, `~0` to `~`)."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def escaped(key: str) -> str:
    """Return a key in the form for a JSON pointer: `~` and `/` are replaced by `~0` and `~1`."""
    return key.replace("~", "~0").replace("/", "~1") if "/" in key or "~" in key else key
