"""The set-up and the tear-down of users' fixtures as spans in the traces of tests.

The plugin `FixtureSpans` is registered until the first services are ready, and while one of the ready
services stores traces. In a stack without such a service, later fixtures are not measured. Fixtures of other
plugins are measured like those of users, except those of pytest and pytest-infra.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import pytest

from pytest_infra.instances import ANY_SERVICE, Instances
from pytest_infra.spans import Recorder

NAME = "infra-fixture-spans"
#: the minimum duration of a span in nanoseconds. A shorter period is recorded only if it contains another
#: span, or if it is the set-up of a fixture that uses a service or fails.
SHORTEST = 10**6
#: the packages whose fixtures are not measured: pytest and this plugin, whose waits are measured anyway
_NOT_MEASURED = frozenset({"_pytest", "pytest_infra"})


class FixtureSpans:
    """The plugin that records the set-up and the tear-down of fixtures as spans."""

    def __init__(self, recorder: Recorder, instances: Instances) -> None:
        self._recorder, self._instances = recorder, instances

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        """Measure the set-up of a fixture, and add finalizers that measure the tear-down."""
        if fixturedef.func.__module__.partition(".")[0] in _NOT_MEASURED:
            return (yield)
        name, attributes = f"fixture {fixturedef.argname}", {"test.fixture.scope": fixturedef.scope}
        recorder, teardown_starts = self._recorder, list[int]()

        def end() -> None:
            if teardown_starts:
                recorder.add(name, teardown_starts.pop(), shortest=SHORTEST, attributes=attributes)

        # pytest runs finalizers in the reverse order: the function that is added last (below), then the
        # fixture's own code after `yield`, then `end`.
        fixturedef.addfinalizer(end)
        start = time.time_ns()
        try:
            value = yield
        except BaseException as error:
            reason = str(error) or type(error).__name__
            recorder.add(name, start, shortest=0, attributes=attributes, error=reason)
            raise
        shortest = 0 if self._uses_service(fixturedef) else SHORTEST
        recorder.add(name, start, shortest=shortest, attributes=attributes)
        fixturedef.addfinalizer(lambda: teardown_starts.append(time.time_ns()))
        return value

    def _uses_service(self, fixturedef: pytest.FixtureDef[Any]) -> bool:
        services = self._instances.service_of_fixture
        return any(name in services or name in ANY_SERVICE for name in fixturedef.argnames)
