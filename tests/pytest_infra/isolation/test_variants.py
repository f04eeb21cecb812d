"""What users choose: scopes, variants, no isolation at all."""

from __future__ import annotations

from collections import Counter

import pytest

from fakes.suite import Suite, service

INI = "[pytest]\nfilterwarnings = error\n"
#: scope → the units of eight tests: two functions and two methods in each of two modules
UNITS = {"function": 8, "class": 6, "module": 2, "session": 1}
SEEN = """
import pytest

@pytest.fixture
def seen(in_function, in_class, in_module, in_session, valkey):
    with open("seen", "a") as file:
        for unit in (in_function, in_class, in_module, in_session, valkey):
            print(unit.name, unit.id, unit.label, file=file)

@pytest.mark.parametrize("number", range(2))
def test_it(seen, number): ...

class TestOthers:
    @pytest.mark.parametrize("number", range(2))
    def test_it(self, seen, number): ...
"""


@pytest.mark.real("valkey")
def test_a_unit_lives_as_long_as_its_scope(suite: Suite) -> None:
    suite.stack("[services.valkey]\n", *(service(f"in-{scope}") for scope in UNITS))
    lines = "".join(f"    in-{scope}: {scope}\n" for scope in UNITS)
    suite.pytester.makeini(f"{INI}infra_scope =\n{lines}    valkey: module\n")
    suite.test(SEEN, "test_one")
    suite.test(SEEN, "test_two")

    suite.run().assert_outcomes(passed=8)

    seen = set((suite.root / "seen").read_text().splitlines())
    assert Counter(line.split()[0] for line in seen) == {
        **{f"in-{scope}": units for scope, units in UNITS.items()},
        "valkey": 2,
    }


@pytest.mark.real("valkey")
def test_isolation_can_be_switched_off(suite: Suite) -> None:
    suite.stack("[services.valkey]\n")
    suite.pytester.makeini(f"{INI}infra_isolation = valkey: off\n")
    suite.test("def test_it(valkey, infra_stack): assert valkey.url == infra_stack.valkey.url")

    suite.run().assert_outcomes(passed=1)


@pytest.mark.real("valkey")
def test_a_marker_shares_the_service(suite: Suite) -> None:
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
def test_a_server_without_accounts_is_shared_and_that_is_told(suite: Suite) -> None:
    suite.stack("[services.nats]\naccounts = 0\n")
    suite.test("def test_it(nats, infra_stack): assert nats.url == infra_stack.nats.url")

    result = suite.run()

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*nats has no accounts for tests*"])


@pytest.mark.parametrize(
    ("line", "says"),
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
def test_a_mistake_is_told_before_any_test(suite: Suite, line: str, says: str) -> None:
    suite.pytester.makeini(f"{INI}{line}\n")
    suite.test("def test_it(valkey): pass")

    result = suite.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert says in result.stdout.str() + result.stderr.str()


@pytest.mark.real("valkey")
def test_a_fixture_of_any_scope_may_take_a_unit(suite: Suite) -> None:
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
