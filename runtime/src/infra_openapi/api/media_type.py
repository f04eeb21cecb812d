"""Names of media types: which are one, and which include others."""

from __future__ import annotations

#: Parameters of a media type that don't make it another one.
_IDLE = ("charset=", "boundary=")


def normal(name: str) -> str:
    """The name without what does not count: case, spaces, quotes, order, the set of characters."""
    kind, *parameters = (part.strip().lower().replace('"', "") for part in name.split(";"))
    return ";".join([kind, *sorted(each for each in parameters if each and not each.startswith(_IDLE))])


def covers(wide: str, narrow: str) -> bool:
    """Whether whatever is of the one media type is of the other; both are normal."""
    kind, *asked = wide.split(";")
    other, *given = narrow.split(";")
    included = kind in {"*/*", other} or (kind.endswith("/*") and other.startswith(kind[:-1]))
    return included and set(asked) <= set(given)


def narrowest(name: str, offered: list[str]) -> str | None:
    """The narrowest of the offered names that covers this one, which is not among them."""
    found = [other for other in offered if covers(other, name)]
    return max(
        found, key=lambda other: ("*" not in other, not other.startswith("*"), len(other)), default=None
    )
