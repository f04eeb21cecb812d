"""The spans of users' fixtures: which of them are spans, and where they are in the trace of a test."""

from __future__ import annotations

import pytest

from fakes.suite import Suite

STACK = """
[services.telemetry]

[services.api]
command = ["${bin.python}", "-I", "-S", "-m", "http.server", "--bind=127.0.0.1", "${port.http}"]
ports = { http = 18080 }
ready = { tcp = true }
"""
OWN = """
[services.api]
telemetry = false
"""
FIXTURES = """
import time
import pytest
from pytest_infra.report import fixture_spans

# On a busy machine, a fixture that does nothing can take longer than the usual millisecond.
fixture_spans.SHORTEST = 60 * 10**9
system_time, advances = time.time_ns, []
time.time_ns = lambda: system_time() + sum(advances)

def advance_clock():
    advances.append(61 * 10**9)

@pytest.fixture(scope="module")
def slow(infra_service):
    infra_service("api")
    advance_clock()
    yield
    advance_clock()

@pytest.fixture
def fast(slow):
    yield

@pytest.fixture
def user(api): ...

@pytest.fixture
def dynamic(request):
    request.getfixturevalue("inner")

@pytest.fixture
def inner():
    advance_clock()

@pytest.fixture
def broken(api):
    raise ValueError("the reason")
"""


@pytest.mark.real("telemetry")
def test_fixtures_that_take_time_or_use_a_service_are_spans_of_the_phase(suite: Suite) -> None:
    suite.stack(STACK)
    suite.test(
        FIXTURES
        + """
def test_first(slow, fast, user, dynamic): ...
def test_broken(broken): ...
def test_second(slow, fast): ...
"""
    )
    (suite.root / "test_later.py").write_text(
        """
def test_read(infra_traces):
    def pairs(name):
        trace = infra_traces.of("test_it.py::" + name)
        trace.wait_for(name=name, timeout=60)
        spans = trace.spans(service="pytest")
        names = {span.id: span.name for span in spans}
        return [(span.name, names.get(span.parent)) for span in spans]

    def children(name):
        return [pair for pair in pairs(name) if pair[0].startswith("fixture ")]

    assert children("test_first") == [
        ("fixture slow", "setup"), ("fixture user", "setup"), ("fixture dynamic", "setup"),
        ("fixture inner", "fixture dynamic"),
    ]
    assert ("start api", "fixture slow") in pairs("test_first")
    assert children("test_second") == [("fixture slow", "teardown")]
    assert children("test_broken") == [("fixture broken", "setup")]
    span = infra_traces.of("test_it.py::test_broken").wait_for(name="fixture broken", timeout=60)
    assert (span.status, span.message, span.attributes["test.fixture.scope"]) == (
        "error", "the reason", "function"
    )
"""
    )

    suite.run().assert_outcomes(passed=3, errors=1)


def test_without_telemetry_no_hook_for_fixtures_is_registered(suite: Suite) -> None:
    suite.stack(STACK.replace("[services.telemetry]", "").replace("[services.api]", OWN))
    suite.test(
        FIXTURES
        + """
def test_hooks(slow, user, infra_stack, request):
    manager = request.config.pluginmanager
    hooks = manager.hook.pytest_fixture_setup.get_hookimpls()
    assert not manager.has_plugin("infra-fixture-spans")
    assert {hook.plugin_name for hook in hooks if "infra" in hook.plugin_name} == {"infra-services"}
"""
    )

    suite.run().assert_outcomes(passed=1)
