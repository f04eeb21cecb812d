"""The marker `infra_exclusive`: tests of other workers that use the service wait."""

from __future__ import annotations

import itertools

import pytest

from fakes.suite import Suite, service

PROTOCOL = """
import os, pathlib, time, pytest

FOLDER = pathlib.Path(__file__).parent

def note(text):
    with (FOLDER / "notes").open("a") as file:
        file.write(text + "\\n")

def meet(own, other):
    (FOLDER / own).touch()
    deadline = time.monotonic() + 60
    while not (FOLDER / other).exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)

@pytest.fixture
def noted(request):
    note(f"begin {request.node.name}")
    time.sleep(0.05)  # so that tests of two workers overlap, if they do not wait
    yield
    note(f"end {request.node.name}")
"""


def notes(suite: Suite) -> list[str]:
    return (suite.root / "notes").read_text().splitlines()


def test_no_other_test_uses_the_service_during_an_exclusive_test(suite: Suite) -> None:
    """The tests use the service by its fixture, through another service, and through the whole stack."""
    suite.stack(
        service("shop", port=18081),
        service("front", port=18082, more='needs = ["shop"]'),
    )
    suite.test(
        PROTOCOL
        + """
@pytest.mark.parametrize("number", range(12))
@pytest.mark.infra_exclusive("shop")
def test_alone(shop, noted, number): ...

@pytest.mark.parametrize("number", range(4))
def test_shop(shop, noted, number): ...

@pytest.mark.parametrize("number", range(4))
def test_front(front, noted, number): ...

@pytest.mark.parametrize("number", range(4))
def test_stack(infra_stack, noted, number): ...

@pytest.mark.parametrize("number", range(4))
@pytest.mark.infra("shop")
def test_marked(noted, number): ...
"""
    )

    suite.run("-n", "3").assert_outcomes(passed=28)

    pairs = list(itertools.pairwise(notes(suite)))
    alone = [pair for pair in pairs if pair[0].startswith("begin test_alone")]
    assert len(alone) == 12
    assert all(after == before.replace("begin", "end") for before, after in alone)


def test_tests_of_other_services_do_not_wait(suite: Suite) -> None:
    suite.stack(service("shop", port=18081), service("other", port=18082))
    suite.test(
        PROTOCOL
        + """
@pytest.mark.xdist_group("first")
@pytest.mark.infra_exclusive("shop")
def test_alone(shop):
    meet("one", "two")

@pytest.mark.xdist_group("second")
def test_other(other):
    meet("two", "one")
"""
    )

    suite.run("-n", "2", "--dist", "loadgroup").assert_outcomes(passed=2)


def test_exclusive_tests_of_several_services_do_not_wait_for_each_other_forever(suite: Suite) -> None:
    suite.stack(service("shop", port=18081), service("other", port=18082))
    suite.test(
        PROTOCOL
        + """
@pytest.mark.parametrize("number", range(6))
@pytest.mark.infra_exclusive("shop", "other")
def test_one(noted, number): ...

@pytest.mark.parametrize("number", range(6))
@pytest.mark.infra_exclusive("other")
@pytest.mark.infra_exclusive("shop")
def test_two(noted, number): ...

@pytest.mark.parametrize("number", range(6))
@pytest.mark.infra_exclusive
def test_three(shop, noted, number): ...

@pytest.mark.parametrize("number", range(6))
def test_four(other, shop, noted, number): ...
"""
    )

    suite.run("-n", "3").assert_outcomes(passed=24)

    pairs = list(itertools.pairwise(notes(suite)))
    alone = [pair for pair in pairs if pair[0].startswith(("begin test_one", "begin test_t"))]
    assert len(alone) == 18
    assert all(after == before.replace("begin", "end") for before, after in alone)


def test_the_other_tests_run_after_the_worker_of_an_exclusive_test_was_killed(suite: Suite) -> None:
    suite.stack(service("shop", port=18081))
    suite.test(
        PROTOCOL
        + """
@pytest.mark.infra_exclusive("shop")
def test_killed(shop):
    time.sleep(0.2)
    os.kill(os.getpid(), 9)

@pytest.mark.parametrize("number", range(3))
@pytest.mark.infra_exclusive("shop")
def test_after(shop, number): ...
"""
    )

    suite.run("-n", "2").assert_outcomes(passed=3, failed=1)


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["one process", "xdist"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ('"shpo"', "*the marker `infra_exclusive`: *shpo*"),
        ('service="shop"', "*the marker `infra_exclusive` takes names of services, not 'service'*"),
        ("1", "*the marker `infra_exclusive` takes names of services, not 1*"),
    ],
    ids=["unknown service", "keyword", "number"],
)
def test_a_wrong_marker_fails_its_test_with_a_message(
    suite: Suite, arguments: str, message: str, workers: tuple[str, ...]
) -> None:
    suite.stack(service("shop", port=18081))
    suite.test(
        f"""
        import pytest

        @pytest.mark.infra_exclusive({arguments})
        def test_wrong(): ...

        def test_right(shop): ...
        """
    )

    result = suite.run(*workers)

    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines([message])
    assert "INTERNALERROR" not in result.stdout.str()


def test_without_the_marker_nothing_is_imported_and_no_lock_is_made(suite: Suite) -> None:
    suite.stack(service("shop", port=18081))
    suite.test(
        """
        import sys

        def test_it(shop):
            assert "pytest_infra.exclusive" not in sys.modules
        """
    )

    suite.run_in_new_process("-n", "1").assert_outcomes(passed=1)

    assert not (suite.root / ".data-test" / "exclusive").exists()


@pytest.mark.real("postgres")
def test_the_changes_of_an_exclusive_test_in_a_server_are_undone(suite: Suite) -> None:
    """Without the marker, they are only reported, because another worker has a lease."""
    pytest.importorskip("psycopg", reason="the minimal profile has no clients")
    suite.stack("[services.postgres]\n")
    suite.test(
        PROTOCOL
        + """
@pytest.mark.parametrize("number", range(4))
@pytest.mark.infra_exclusive("postgres")
def test_role(postgres_connection, number):
    postgres_connection.execute("create role ada")
    postgres_connection.commit()

@pytest.mark.parametrize("number", range(4))
def test_other(postgres): ...
""".replace("def test_other(postgres)", "def test_other(postgres, number)")
    )

    result = suite.run("-n", "2")

    result.assert_outcomes(passed=8)
    result.stdout.no_fnmatch_line("*changed the server*")
