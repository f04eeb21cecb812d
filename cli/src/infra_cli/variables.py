"""The stack as environment variables: what `exec` gives to a program, and `config env` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra_runtime.manifest import KINDS


def variables(exports: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """`SERVICE_EXPORT` for every export, and the names that clients know already."""
    found = {
        f"{service}_{name}".upper().replace("-", "_"): value
        for service, several in exports.items()
        for name, value in several.items()
    }
    for kind in KINDS.values():
        several = exports.get(kind.name, {})
        found |= {variable: several[name] for variable, name in kind.variables.items() if name in several}
    return found


def exported(answer: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, str]]:
    """The exports in an answer to `endpoints` or `bound`."""
    return {service: found["exports"] for service, found in answer.items()}
