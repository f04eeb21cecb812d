"""Advice for a fixture of a wide scope that asks for what belongs to a single test."""

from __future__ import annotations

import re

import pytest

from pytest_infra.instances import Instances
from pytest_infra.notes import PREFIX

#: pytest's message, from 8.2 to 9.2
_MISMATCH = re.compile(
    r"ScopeMismatch: You tried to access the \w+ scoped fixture (\w+) with an? (\w+) scoped request"
)


def advice(config: pytest.Config, failure: str) -> str:
    """Return what to ask for instead; empty for every other failure, and for fixtures that aren't ours."""
    if (mismatch := _MISMATCH.match(failure)) is None:
        return ""
    fixture, scope = mismatch.groups()
    instances = Instances.of(config).fixtures()
    clients = {
        client.name.format(service=name): instance
        for name, instance in instances.items()
        for client in instance.kit.fixtures
    }
    if (instance := {**clients, **instances}.get(fixture)) is None:
        return ""
    service = instance.service
    text = (
        f"{PREFIX}`{fixture}` belongs to a single test. A fixture of scope {scope} asks for `infra_unit`, "
        f'which gives it a unit of its own: `with infra_unit("{service}") as {instance.fixture}: …`; '
        f'or for `infra_service`, and uses the shared service: `infra_service("{service}")`.'
    )
    if fixture not in instances:
        return f"{text} It opens its own connection."
    return f"{text} To have each {scope} share one unit: `infra_scope = {service}: {scope}`."
