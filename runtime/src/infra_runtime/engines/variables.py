"""The exports of a stack as environment variables for a program."""

from __future__ import annotations

from collections.abc import Mapping

from infra_runtime.manifest import KINDS


def variables(exports: Mapping[str, Mapping[str, str]], kinds: Mapping[str, str]) -> dict[str, str]:
    """Return `SERVICE_EXPORT` for every export, and the names that client libraries read.

    `exports` is service → export → value, `kinds` is service → kind. The manifest has the second group, such
    as DATABASE_URL and PGHOST: with several instances of a kind, the instance that is named like the kind
    provides them, or else the first by name.
    """
    values = {
        f"{service}_{name}".upper().replace("-", "_"): value
        for service, exported in exports.items()
        for name, value in exported.items()
    }
    for kind in KINDS.values():
        instances = sorted(service for service in exports if kinds.get(service) == kind.name)
        if instances:
            first = exports[kind.name if kind.name in instances else instances[0]]
            values |= {variable: first[name] for variable, name in kind.variables.items() if name in first}
    return values
