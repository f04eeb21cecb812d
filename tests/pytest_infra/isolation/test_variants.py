"""The settings of isolation: scopes, variants, and no isolation."""

from __future__ import annotations

from collections import Counter

import pytest

from fakes.suite import Suite, service

INI = "[pytest]\nfilterwarnings = error\n"
#: scope → number of units for eight tests: two functions and two methods in each of two modules
UNITS_PER_SCOPE = {"function": 8, "class": 6, "module": 2, "session": 1}
RECORDS_UNITS = """
import pytest

@pytest.fixture
def record_units(in_function, in_class, in_module, in_session, valkey):
    with open("units", "a") as file:
        for unit in (in_function, in_class, in_module, in_session, valkey):
            print(unit.name, unit.id, unit.label, file=file)

@pytest.mark.parametrize("number", range(2))
def test_it(record_units, number): ...

class TestMethods:
    @pytest.mark.parametrize("number", range(2))
    def test_it(self, record_units, number): ...
"""


@pytest.mark.real("valkey")
def test_all_tests_in_a_scope_share_one_unit(suite: Suite) -> None:
    suite.stack("[services.valkey]\n", *(service(f"in-{scope}") for scope in UNITS_PER_SCOPE))
    scopes = "".join(f"    in-{scope}: {scope}\n" for scope in UNITS_PER_SCOPE)
    suite.pytester.makeini(f"{INI}infra_scope =\n{scopes}    valkey: module\n")
    suite.test(RECORDS_UNITS, "test_one")
    suite.test(RECORDS_UNITS, "test_two")

    suite.run().assert_outcomes(passed=8)

    lines = set((suite.root / "units").read_text().splitlines())
    assert Counter(line.split()[0] for line in lines) == {
        **{f"in-{scope}": units for scope, units in UNITS_PER_SCOPE.items()},
        "valkey": 2,
    }


@pytest.mark.real("valkey")
def test_isolation_can_be_switched_off(suite: Suite) -> None:
    suite.stack("[services.valkey]\n")
    suite.pytester.makeini(f"{INI}infra_isolation = valkey: off\n")
    suite.test("def test_it(valkey, infra_stack): assert valkey.url == infra_stack.valkey.url")

    suite.run().assert_outcomes(passed=1)


@pytest.mark.real("valkey")
def test_the_marker_infra_shared_gives_a_test_the_shared_service(suite: Suite) -> None:
    suite.stack("[services.valkey]\n")
    suite.test(
        """
        import pytest

        @pytest.mark.infra_shared("valkey")
        def test_named(valkey, infra_stack): assert valkey.url == infra_stack.valkey.url

        @pytest.mark.infra_shared
        def test_all(valkey, infra_stack): assert valkey.url == infra_stack.valkey.url

        @pytest.mark.infra_shared("nats")
        def test_another(valkey, infra_stack): assert valkey.url != infra_stack.valkey.url
        """
    )

    suite.run().assert_outcomes(passed=3)


@pytest.mark.real("nats")
def test_a_server_without_accounts_is_shared_and_the_output_reports_it(suite: Suite) -> None:
    suite.stack("[services.nats]\naccounts = 0\n")
    suite.test("def test_it(nats, infra_stack): assert nats.url == infra_stack.nats.url")

    result = suite.run()

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*nats has no accounts for tests*"])


@pytest.mark.parametrize(
    ("ini_line", "message"),
    [
        ("infra_scope = valkey: galaxy", "'galaxy' is not a scope; choose one of function, class"),
        (
            "infra_scope = valkey: package",
            "'package' is not a scope; choose one of function, class, module, session",
        ),
        ("infra_scope = valkey", "'valkey' must have the form `SERVICE: VALUE`"),
        (
            "infra_isolation = valkey: bubble",
            "valkey has no variant 'bubble'; choose one of database, prefix, off",
        ),
    ],
)
def test_an_invalid_ini_value_is_reported_before_any_test_runs(
    suite: Suite, ini_line: str, message: str
) -> None:
    suite.pytester.makeini(f"{INI}{ini_line}\n")
    suite.test("def test_it(valkey): pass")

    result = suite.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stdout.str() + result.stderr.str()


@pytest.mark.real("valkey")
def test_a_fixture_of_a_wider_scope_can_acquire_a_unit(suite: Suite) -> None:
    suite.stack("[services.valkey]\n")
    suite.test(
        """
        import pytest

        @pytest.fixture(scope="module")
        def stock(infra_unit):
            with infra_unit("valkey", "the stock") as unit:
                yield unit

        def test_one(stock, valkey):
            assert (stock.label, valkey.label) == ("the stock", "test_it.py::test_one")

        def test_two(stock, valkey): assert stock.url != valkey.url
        """
    )

    suite.run().assert_outcomes(passed=2)
