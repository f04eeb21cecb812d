"""Advice for a fixture of a wide scope that asks for what belongs to a single test."""

from __future__ import annotations

import re

import pytest

from pytest_infra import options, service_fixtures
from pytest_infra.run import PREFIX

#: how pytest says it, from 8.2 to 9.2
_MISMATCH = re.compile(
    r"ScopeMismatch: You tried to access the \w+ scoped fixture (\w+) with an? (\w+) scoped request"
)
#: a client's fixture → the service whose unit it is connected to
_CLIENTS = {
    "postgres_connection": "postgres",
    "postgres_transaction": "postgres",
    "postgres_asyncpg": "postgres",
    "nats_client": "nats",
    "valkey_client": "valkey",
    "valkey_async_client": "valkey",
}


def advice(config: pytest.Config, failure: str) -> str:
    """What to ask for instead; empty for every other failure, and for fixtures that aren't ours."""
    if (found := _MISMATCH.match(failure)) is None:
        return ""
    fixture, scope = found.groups()
    known = {**_CLIENTS, **service_fixtures.services(options.read(config))}
    if (service := known.get(fixture)) is None:
        return ""
    name = service.replace("-", "_")
    text = (
        f"{PREFIX}`{fixture}` belongs to a single test. A fixture of scope {scope} asks for `infra_unit`, "
        f'which gives it a piece of its own: `with infra_unit("{service}") as {name}: …`; '
        f'or for `infra_service`, and uses what all share: `infra_service("{service}")`.'
    )
    if fixture in _CLIENTS:
        return f"{text} Its connection it makes itself."
    return f"{text} To have each {scope} share one piece: `infra_scope = {service}: {scope}`."
