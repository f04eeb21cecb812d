"""PgBouncer in the contract suite: a value is a row of a PostgreSQL database, through the pool."""

from __future__ import annotations

from infra_runtime.engines.local.stack import Endpoint
from kinds import postgres


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Insert or replace a row."""
    postgres.write(endpoint, name, value)


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the row's value."""
    return postgres.read(endpoint, name)
