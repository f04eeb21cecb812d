"""Advice for a fixture of a wide scope that uses a fixture of function scope."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from pytest_infra.instances import Instances
from pytest_infra.kit import Scope
from pytest_infra.notes import PREFIX

#: Matches the message of pytest 8.2 to 9.2.
_MISMATCH = re.compile(
    r"ScopeMismatch: You tried to access the \w+ scoped fixture (\w+) with an? (\w+) scoped request"
)


def advice(config: pytest.Config, failure: str) -> str:
    """Return advice for a scope mismatch: which fixture of this plugin to use in a wide scope.

    The result is empty for other failures and for fixtures that do not belong to a service.
    """
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
        f"{PREFIX}`{fixture}` has function scope. In a fixture of {scope} scope, use `infra_unit` for "
        f'an isolation unit: `with infra_unit("{service}") as {instance.fixture}: …`; '
        f'or `infra_service` for the shared server: `infra_service("{service}")`.'
    )
    if fixture not in instances:
        return f"{text} In the fixture, open a connection to the unit or to the server."
    if scope not in get_args(Scope):
        return text
    return f"{text} If all tests of a {scope} may share one unit, set `infra_scope = {service}: {scope}`."
