"""What users choose: scopes, variants, no isolation at all."""

from __future__ import annotations

import pytest

from fakes.suite import Suite

INI = "[pytest]\nfilterwarnings = error\n"
SEEN = """
import pytest

@pytest.mark.parametrize("number", range(2))
def test_it(valkey, number):
    with open("seen", "a") as file:
        print(valkey.label, file=file)

class TestOthers:
    @pytest.mark.parametrize("number", range(2))
    def test_it(self, valkey, number):
        with open("seen", "a") as file:
            print(valkey.label, file=file)
"""


@pytest.mark.real("valkey")
@pytest.mark.parametrize(
    ("scope", "labels"),
    [("function", 4), ("class", 3), ("module", 1), ("package", 1), ("session", 1)],
)
def test_a_unit_lives_as_long_as_its_scope(suite: Suite, scope: str, labels: int) -> None:
    suite.stack("[services.valkey]\n")
    suite.pytester.makeini(f"{INI}infra_scope =\n    valkey: {scope}\n    nats: module\n")
    suite.test(SEEN)

    suite.run().assert_outcomes(passed=4)

    assert len(set((suite.root / "seen").read_text().splitlines())) == labels


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
        ("infra_scope = valkey: galaxy", "'galaxy' is no scope; there are: function, class"),
        ("infra_scope = valkey", "'valkey' should be `SERVICE: VALUE`"),
        (
            "infra_isolation = valkey: bubble",
            "valkey has no variant 'bubble'; there are: database, prefix, off",
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
