"""The stack as environment variables: what `exec` gives to a program, and `config env` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: the names by which clients look for a server: variable → export. Source: PostgreSQL documentation, libpq,
#: "Environment Variables"; the Twelve-Factor App, "Backing services".
CONVENTIONS: Mapping[str, Mapping[str, str]] = {
    "postgres": {
        "DATABASE_URL": "url", "PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password",
        "PGDATABASE": "database",
    },
    "valkey": {"REDIS_URL": "url"},
}  # fmt: skip


def variables(exports: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """`SERVICE_EXPORT` for every export, and the names that clients know already."""
    found = {
        f"{service}_{name}".upper().replace("-", "_"): value
        for service, several in exports.items()
        for name, value in several.items()
    }
    for service, names in CONVENTIONS.items():
        several = exports.get(service, {})
        found |= {variable: several[name] for variable, name in names.items() if name in several}
    return found


def exported(answer: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, str]]:
    """The exports in an answer to `endpoints` or `bound`."""
    return {service: found["exports"] for service, found in answer.items()}
