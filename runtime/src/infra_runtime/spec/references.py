"""References in a spec's texts: `${SCOPE.NAME}`, which an engine replaces when it binds the spec."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import is_dataclass, replace
from types import MappingProxyType
from typing import Any

from infra_runtime.value import fields_of

OWN_SCOPES = frozenset({"bin", "port", "secret", "env", "stack"})
OWN_NAMES = frozenset({"host", "data", "run", "root", "out"})
#: metadata of a dataclass field whose texts contain backslash escapes; backslashes in values of references
#: are escaped
ESCAPED: Mapping[str, bool] = MappingProxyType({"escaped": True})
_REFERENCE = re.compile(r"\$\$|\$\{([^}]*)\}")


def references(text: str) -> list[str]:
    """Return the references in a text, without `${` and `}`, in their order.

    `$$` represents a dollar sign, so `$${x}` is not a reference.
    """
    return [match[1].strip() for match in _REFERENCE.finditer(text) if match[1] is not None]


def is_open(text: str) -> bool:
    """Return whether the text contains a `${` without a `}`."""
    return "${" in _REFERENCE.sub("", text)


def substitute(text: str, lookup: Callable[[str], str]) -> str:
    """Return `text` with each reference replaced by the result of `lookup`, and each `$$` by `$`."""
    return _REFERENCE.sub(lambda match: "$" if match[1] is None else lookup(match[1].strip()), text)


def substitute_some(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with each reference in `values` replaced by its value; other references are kept."""
    return _REFERENCE.sub(
        lambda match: match[0] if match[1] is None else values.get(match[1].strip(), match[0]), text
    )


def rename(text: str, new: Callable[[str], str]) -> str:
    """Return `text` with each reference replaced by the reference that `new` returns for it."""
    return _REFERENCE.sub(
        lambda match: match[0] if match[1] is None else f"${{{new(match[1].strip())}}}", text
    )


def map_texts(
    value: Any, change: Callable[[str], str], change_escaped: Callable[[str], str] | None = None
) -> Any:
    """Return a copy of a spec, or of a part of a spec, with the result of `change` for each text in it.

    The keys of mappings are not changed.
    For texts in fields whose metadata contain `escaped`, the function `change_escaped` is called instead.
    """
    if isinstance(value, str):
        return change(value)
    if is_dataclass(value) and not isinstance(value, type):
        escaped = change_escaped or change
        return replace(
            value,
            **{
                attribute.name: map_texts(
                    getattr(value, attribute.name),
                    escaped if "escaped" in attribute.metadata else change,
                    escaped,
                )
                for attribute in fields_of(value)
            },
        )
    if isinstance(value, Mapping):
        return {key: map_texts(item, change, change_escaped) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(map_texts(item, change, change_escaped) for item in value)
    return value


def bound_copy(value: Any, lookup: Callable[[str], str]) -> Any:
    """Return a copy of a part of a spec, such as a probe, in which values replace all references.

    `lookup` returns the value of a reference.
    """
    return map_texts(
        value,
        lambda text: substitute(text, lookup),
        lambda text: substitute(text, lambda name: lookup(name).replace("\\", "\\\\")),
    )


def other_service(reference: str) -> str | None:
    """Return SERVICE for a reference `SERVICE.EXPORT`, which makes SERVICE a need.

    The result is None for other references.
    """
    scope, dot, _ = reference.partition(".")
    return scope if dot and scope not in OWN_SCOPES and not reference.endswith("?") else None


def optional_export(reference: str) -> tuple[str, str] | None:
    """Return (SERVICE, EXPORT) for an optional reference `SERVICE.EXPORT?`; None for other references."""
    scope, dot, name = reference.partition(".")
    return (scope, name[:-1]) if dot and scope not in OWN_SCOPES and name.endswith("?") else None


def optional_exports(references: Iterable[str]) -> list[tuple[str, str]]:
    """Return (SERVICE, EXPORT) for each optional reference `SERVICE.EXPORT?`, without duplicates."""
    return list(dict.fromkeys(filter(None, map(optional_export, references))))


def references_in(value: object) -> tuple[str, ...]:
    """Return the references in all texts of a spec, or of a part of a spec, in the order of its fields."""
    return tuple(reference for text in texts(value) if "${" in text for reference in references(text))


def texts(value: object) -> list[str]:
    """Return all texts of a spec, or of a part of it, except the keys of mappings, in the order of fields."""
    texts: list[str] = []
    _add_texts(value, texts)
    return texts


def _add_texts(value: object, texts: list[str]) -> None:
    # The most frequent types are compared first: the planner calls this function several times for each spec.
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, tuple | list):
        for item in value:
            _add_texts(item, texts)
    elif value is None or isinstance(value, int | float):
        pass
    elif is_dataclass(value):
        for attribute in fields_of(value):
            _add_texts(getattr(value, attribute.name), texts)
    elif isinstance(value, Mapping):
        for item in value.values():
            _add_texts(item, texts)
