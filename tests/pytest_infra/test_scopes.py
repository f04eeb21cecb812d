"""Advice for fixtures of a wide scope."""

from __future__ import annotations

import pytest

from fakes.suite import Suite, service

WIDE = """
import pytest

@pytest.fixture(scope="{scope}")
def {scope}_{fixture}({fixture}):
    return 1

def test_one_{scope}_{fixture}({scope}_{fixture}): pass
def test_two_{scope}_{fixture}({scope}_{fixture}): pass
"""
#: fixture → the service that it has a piece of
NAMED = {"shop_front": "shop-front", "valkey_client": "valkey", "postgres_connection": "postgres"}


@pytest.mark.parametrize("scope", ["session", "module"])
def test_a_fixture_that_asks_for_what_is_a_tests_own_is_told_what_to_ask_for(
    suite: Suite, scope: str
) -> None:
    suite.stack(service("shop-front"))
    suite.test("".join(WIDE.format(fixture=fixture, scope=scope) for fixture in NAMED))

    result = suite.run()

    result.assert_outcomes(errors=2 * len(NAMED))
    for fixture, service_name in NAMED.items():
        begin = f"infra: `{fixture}` has function scope."
        told = [line for line in result.outlines if line.startswith(begin)]
        assert len(told) == 2
        assert f'`with infra_unit("{service_name}") as ' in told[0]
        assert (f"`infra_scope = {service_name}: {scope}`" in told[0]) is (fixture == "shop_front")


def test_pytests_own_word_is_left_alone_where_the_fixture_is_not_ours(suite: Suite) -> None:
    suite.test(WIDE.format(fixture="tmp_path", scope="session"))

    result = suite.run()

    result.assert_outcomes(errors=2)
    result.stdout.no_fnmatch_line("*infra: *")
