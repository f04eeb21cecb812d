"""Advice for fixtures of a wide scope."""

from __future__ import annotations

import pytest

from fakes.suite import Suite, service

WIDE = """
import pytest

@pytest.fixture(scope="{scope}")
def wide({fixture}):
    return 1

def test_one(wide): pass
def test_two(wide): pass
"""


@pytest.mark.parametrize("scope", ["session", "module"])
@pytest.mark.parametrize(
    ("fixture", "named"),
    [("shop_front", "shop-front"), ("valkey_client", "valkey"), ("postgres_connection", "postgres")],
)
def test_a_fixture_that_asks_for_what_is_a_tests_own_is_told_what_to_ask_for(
    suite: Suite, fixture: str, named: str, scope: str
) -> None:
    suite.stack(service("shop-front"))
    suite.test(WIDE.format(fixture=fixture, scope=scope))

    result = suite.run()

    result.assert_outcomes(errors=2)
    told = [
        line for line in result.outlines if line.startswith(f"infra: `{fixture}` belongs to a single test.")
    ]
    assert len(told) == 2
    assert f'`with infra_unit("{named}") as ' in told[0]
    assert (f"`infra_scope = {named}: {scope}`" in told[0]) is (fixture == "shop_front")


def test_pytests_own_word_is_left_alone_where_the_fixture_is_not_ours(suite: Suite) -> None:
    suite.test(WIDE.format(fixture="tmp_path", scope="session"))

    result = suite.run()

    result.assert_outcomes(errors=2)
    result.stdout.no_fnmatch_line("*infra: *")
