"""The stack as environment variables: what `exec` gives to a program, and `config env` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra_runtime.manifest import KINDS


def variables(exports: Mapping[str, Mapping[str, str]], kinds: Mapping[str, str]) -> dict[str, str]:
    """`SERVICE_EXPORT` for every export, and the names that clients look for, such as DATABASE_URL.

    `kinds` is service → kind. Of several instances of a kind the one that is named like it has the names that
    clients look for, or else the first by name.
    """
    values = {
        f"{service}_{name}".upper().replace("-", "_"): value
        for service, several in exports.items()
        for name, value in several.items()
    }
    for kind in KINDS.values():
        instances = sorted(service for service in exports if kinds.get(service) == kind.name)
        if not instances:
            continue
        first = exports[kind.name if kind.name in instances else instances[0]]
        values |= {variable: first[name] for variable, name in kind.variables.items() if name in first}
    return values


def exported(answer: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, str]]:
    """The exports in an answer to `endpoints` or `bound`."""
    return {service: found["exports"] for service, found in answer.items()}


def kinds(answer: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Service → kind, in an answer to `endpoints` or `bound`."""
    return {service: found["kind"] for service, found in answer.items()}
