"""Import psycopg, the driver that creates and drops databases."""

from __future__ import annotations

from typing import Any

from pytest_infra.isolation.client_library import required


def driver(service: str) -> Any:
    """Return the module psycopg; raise `ConfigurationError` if it is not installed."""
    purpose = "a database for each test needs"
    return required("psycopg", service=service, library="psycopg", extra="postgres", purpose=purpose)
