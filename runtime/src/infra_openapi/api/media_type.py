"""Compare media types by name: which are equal, and which media ranges include which media types."""

from __future__ import annotations

#: The parameters of a media type that the comparison ignores.
_IGNORED = ("charset=", "boundary=")


def normal(name: str) -> str:
    """Return the normal form of a media type; equal media types have the same normal form.

    The result is in lower case, without charset, boundary, quotes and spaces around its parts. Its parameters
    are sorted.
    """
    kind, *parameters = (part.strip().lower().replace('"', "") for part in name.split(";"))
    return ";".join(
        [
            kind,
            *sorted(
                parameter for parameter in parameters if parameter and not parameter.startswith(_IGNORED)
            ),
        ]
    )


def covers(wide: str, narrow: str) -> bool:
    """Return whether the media range `wide` includes the media type `narrow`.

    Both arguments are results of the function `normal`. A media range is, for example, `application/*`.
    """
    kind, *required_parameters = wide.split(";")
    narrow_kind, *parameters = narrow.split(";")
    included = kind in {"*/*", narrow_kind} or (kind.endswith("/*") and narrow_kind.startswith(kind[:-1]))
    return included and set(required_parameters) <= set(parameters)


def narrowest(name: str, offered: list[str]) -> str | None:
    """Return the narrowest media type or media range in `offered` that includes the media type `name`.

    The result is None if nothing in `offered` includes the media type.
    """
    ranges = [media_range for media_range in offered if covers(media_range, name)]
    return max(ranges, key=lambda wide: ("*" not in wide, not wide.startswith("*"), len(wide)), default=None)
