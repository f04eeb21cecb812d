"""Hypothesis: each example starts with a clean unit."""

from __future__ import annotations

import pytest

from fakes.suite import Suite

INI = "[pytest]\nfilterwarnings = error\n"


@pytest.fixture(autouse=True)
def _with_hypothesis(suite: Suite) -> None:
    suite.with_plugins("hypothesispytest")
    suite.pytester.makeini(INI)


HEADER = """
from hypothesis import HealthCheck, given, settings, strategies as st

function_scope = HealthCheck.function_scoped_fixture
example_settings = settings(suppress_health_check=[function_scope], deadline=None, database=None)
"""


@pytest.mark.real("postgres")
def test_the_rows_of_an_example_are_absent_in_the_next(suite: Suite) -> None:
    pytest.importorskip("psycopg")
    suite.test(
        HEADER
        + """
@example_settings
@given(st.integers(0, 9))
def test_it(postgres, number):
    with postgres.example() as connection:
        connection.execute("create table numbers (value integer)")
        with connection.transaction():
            connection.execute("insert into numbers values (%s)", [number])
        assert connection.execute("select value from numbers").fetchall() == [(number,)]
"""
    )

    suite.run().assert_outcomes(passed=1)


@pytest.mark.real("valkey")
@pytest.mark.parametrize("variant", ["database", "prefix"])
def test_the_keys_of_an_example_are_absent_in_the_next(suite: Suite, variant: str) -> None:
    pytest.importorskip("valkey")
    suite.pytester.makeini(f"{INI}infra_isolation = valkey: {variant}\n")
    suite.test(
        HEADER
        + """
@example_settings
@given(st.integers(0, 9))
def test_it(valkey, valkey_client, number):
    with valkey.example() as example:
        assert valkey_client.set(example.prefix + "number", number, nx=True)
"""
    )

    suite.run().assert_outcomes(passed=1)


@pytest.mark.real("nats")
def test_the_streams_of_an_example_are_absent_in_the_next(suite: Suite) -> None:
    suite.test(
        HEADER
        + """
from pytest_infra.services.nats.protocol import NatsConnection

@example_settings
@given(st.integers(0, 9))
def test_it(nats, number):
    with nats.example() as example, NatsConnection(nats.host, nats.port, nats.user, nats.password) as client:
        assert client.request("$JS.API.STREAM.NAMES")["streams"] is None
        client.request("$JS.API.STREAM.CREATE.orders", b'{"name": "orders", "subjects": ["orders"]}')
        assert example.prefix.startswith("example")
"""
    )

    suite.run().assert_outcomes(passed=1)


@pytest.mark.real("postgres")
def test_hypothesis_shrinks_a_failing_example_with_clean_units(suite: Suite) -> None:
    pytest.importorskip("psycopg")
    suite.test(
        HEADER
        + """
@example_settings
@given(st.integers())
def test_it(postgres, number):
    with postgres.example() as connection:
        connection.execute("create table numbers (value numeric check (value < 1000))")
        connection.execute("insert into numbers values (%s)", [number])
"""
    )

    result = suite.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*CheckViolation*", "*number=1000*"])


@pytest.mark.real("pocketbase")
def test_the_error_of_a_service_without_fast_examples_has_a_hint(suite: Suite) -> None:
    suite.test(
        """
        import pytest
        from infra_runtime.errors import ConfigurationError

        def test_it(pocketbase):
            with pytest.raises(ConfigurationError, match="pocketbase") as caught:
                pocketbase.example()
            assert 'infra_unit("pocketbase")' in caught.value.hint
        """
    )

    suite.run().assert_outcomes(passed=1)
