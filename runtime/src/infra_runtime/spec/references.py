"""References inside a spec's texts: `${SCOPE.NAME}`, which an engine replaces when it binds the spec."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

OWN_SCOPES = frozenset({"bin", "port", "secret", "env", "stack"})
OWN_NAMES = frozenset({"host", "data", "run", "root", "out"})
_REFERENCE = re.compile(r"\$\$|\$\{([^}]*)\}")


def references(text: str) -> list[str]:
    """Return what stands between `${` and `}`, in order; `$$` is a dollar sign and starts no reference."""
    return [match[1].strip() for match in _REFERENCE.finditer(text) if match[1] is not None]


def is_open(text: str) -> bool:
    """Return whether a `${` in the text has no `}`."""
    return "${" in _REFERENCE.sub("", text)


def substitute(text: str, lookup: Callable[[str], str]) -> str:
    """Return `text` with each reference replaced by the result of `lookup`."""
    return _REFERENCE.sub(lambda match: "$" if match[1] is None else lookup(match[1].strip()), text)


def bound_copy(value: Any, lookup: Callable[[str], str]) -> Any:
    """Return a copy of a spec's part (a probe, a step) with the references of all its texts replaced."""
    if isinstance(value, str):
        return substitute(value, lookup)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{item.name: bound_copy(getattr(value, item.name), lookup) for item in fields(value)}
        )
    if isinstance(value, Mapping):
        return {key: bound_copy(inner, lookup) for key, inner in value.items()}
    if isinstance(value, tuple):
        return tuple(bound_copy(inner, lookup) for inner in value)
    return value


def other_service(reference: str) -> str | None:
    """Return the service that a reference `SERVICE.EXPORT` makes a need; None for all other references."""
    scope, dot, _ = reference.partition(".")
    return scope if dot and scope not in OWN_SCOPES and not reference.endswith("?") else None


def optional_export(reference: str) -> tuple[str, str] | None:
    """Return service and export of `SERVICE.EXPORT?`, which makes no need; None for all other references."""
    scope, dot, name = reference.partition(".")
    return (scope, name[:-1]) if dot and scope not in OWN_SCOPES and name.endswith("?") else None


def optional_exports(value: object) -> list[tuple[str, str]]:
    """Return service and export of every `${SERVICE.EXPORT?}` inside a spec, without duplicates."""
    exports = (optional_export(reference) for text in texts(value) for reference in references(text))
    return list(dict.fromkeys(filter(None, exports)))


def texts(value: object) -> Iterator[str]:
    """Yield every text inside a spec, in the order of its fields."""
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for item in fields(value):
            yield from texts(getattr(value, item.name))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from texts(inner)
