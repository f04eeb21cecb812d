"""Hypothesis: each example finds its piece as if nobody had been there."""

from __future__ import annotations

import pytest

from fakes.suite import Suite

INI = "[pytest]\nfilterwarnings = error\n"


@pytest.fixture(autouse=True)
def _with_hypothesis(suite: Suite) -> None:
    suite.with_plugins("hypothesispytest")
    suite.pytester.makeini(INI)


HEAD = """
from hypothesis import HealthCheck, given, settings, strategies as st

fresh = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, database=None)
"""


@pytest.mark.real("postgres")
def test_rows_of_an_example_are_gone_in_the_next(suite: Suite) -> None:
    pytest.importorskip("psycopg")
    suite.test(
        HEAD
        + """
@fresh
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
def test_so_are_keys(suite: Suite, variant: str) -> None:
    pytest.importorskip("valkey")
    suite.pytester.makeini(f"{INI}infra_isolation = valkey: {variant}\n")
    suite.test(
        HEAD
        + """
@fresh
@given(st.integers(0, 9))
def test_it(valkey, valkey_client, number):
    with valkey.example() as example:
        assert valkey_client.set(example.prefix + "number", number, nx=True)
"""
    )

    suite.run().assert_outcomes(passed=1)


@pytest.mark.real("nats")
def test_so_are_streams(suite: Suite) -> None:
    suite.test(
        HEAD
        + """
from pytest_infra.services.nats.protocol import NatsConnection

@fresh
@given(st.integers(0, 9))
def test_it(nats, number):
    with nats.example() as example, NatsConnection(nats.host, nats.port, nats.user, nats.password) as line:
        assert line.request("$JS.API.STREAM.NAMES")["streams"] is None
        line.request("$JS.API.STREAM.CREATE.orders", b'{"name": "orders", "subjects": ["orders"]}')
        assert example.prefix.startswith("example")
"""
    )

    suite.run().assert_outcomes(passed=1)


@pytest.mark.real("postgres")
def test_a_failing_example_is_made_smaller_in_a_clean_place(suite: Suite) -> None:
    pytest.importorskip("psycopg")
    suite.test(
        HEAD
        + """
@fresh
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
def test_what_has_no_quick_example_says_what_to_do(suite: Suite) -> None:
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
