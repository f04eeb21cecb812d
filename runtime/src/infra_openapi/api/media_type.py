"""Compare media types by name: which are equal, and which media ranges include which media types."""

from __future__ import annotations

#: Parameters of a media type that are ignored.
_IDLE = ("charset=", "boundary=")


def normal(name: str) -> str:
    """Return a media type in a form that can be compared.

    The form is in lower case, without charset, spaces and quotes, and with sorted parameters.
    """
    kind, *parameters = (part.strip().lower().replace('"', "") for part in name.split(";"))
    return ";".join(
        [
            kind,
            *sorted(parameter for parameter in parameters if parameter and not parameter.startswith(_IDLE)),
        ]
    )


def covers(wide: str, narrow: str) -> bool:
    """Return whether the media range `wide` includes the media type `narrow`.

    Both arguments are results of the function `normal`. A media range is, for example, `application/*`.
    """
    kind, *asked = wide.split(";")
    other, *given = narrow.split(";")
    included = kind in {"*/*", other} or (kind.endswith("/*") and other.startswith(kind[:-1]))
    return included and set(asked) <= set(given)


def narrowest(name: str, offered: list[str]) -> str | None:
    """Return the narrowest media range in `offered` that includes the media type `name`.

    The result is None if no media range in `offered` includes the media type.
    """
    ranges = [other for other in offered if covers(other, name)]
    return max(
        ranges, key=lambda other: ("*" not in other, not other.startswith("*"), len(other)), default=None
    )
