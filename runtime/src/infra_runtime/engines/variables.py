"""The exports of a stack as environment variables for a program."""

from __future__ import annotations

from collections.abc import Mapping

from infra_runtime.manifest import KINDS


def variables(exports: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return `SERVICE_EXPORT` for every export, and the names that client libraries read.

    `exports` is service → export → value. The manifest has the second group, such as DATABASE_URL and PGHOST.
    """
    values = {
        f"{service}_{name}".upper().replace("-", "_"): value
        for service, exported in exports.items()
        for name, value in exported.items()
    }
    for kind in KINDS.values():
        exported = exports.get(kind.name, {})
        values |= {variable: exported[name] for variable, name in kind.variables.items() if name in exported}
    return values
