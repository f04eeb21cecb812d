"""Import psycopg, the driver with which databases are created and dropped."""

from __future__ import annotations

from typing import Any

from infra_runtime.errors import ConfigurationError


def driver(service: str) -> Any:
    """Return the module psycopg; raise `ConfigurationError` if it is not installed."""
    try:
        import psycopg
    except ImportError as error:
        raise ConfigurationError(
            f"{service}: a database for each test needs psycopg",
            hint="Install psycopg with `python -m pip install 'pytest-infra[postgres]'`. The driver is"
            f" not needed if all tests share the server: `infra_isolation = {service}: off`.",
        ) from error
    return psycopg
