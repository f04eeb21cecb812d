"""The last line is not a promise: somebody looked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from fakes.suite import Suite, service
from infra_runtime.engines.local import engine as stacks

#: after our lease is given back, and before anybody looks
LEAVES = """
import pathlib, pytest
from infra_runtime.data_directory.paths import Paths

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput"):
        return
    run = pathlib.Path(Paths(".data-test").run)
    run.mkdir()
    (run / "forgotten").touch()
"""


@pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["serial", "xdist"])
def test_what_is_left_is_named_in_red(suite: Suite, arguments: tuple[str, ...]) -> None:
    suite.stack(service("shop"))
    suite.pytester.makeconftest(LEAVES)
    suite.test("def test_it(shop): pass")

    result = suite.run("--color=yes", *arguments)

    shutil.rmtree(suite.paths.run)
    result.stdout.re_match_lines(
        [r"\x1b\[31minfra: 1 service, .*; 0 processes, 0 ports, 1 socket left \(.*/forgotten\)\x1b\[0m"]
    )


def test_the_line_is_green_when_nothing_is_left(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test("def test_it(shop): pass")

    result = suite.run("--color=yes")

    result.stdout.re_match_lines([r"\x1b\[32minfra: 1 service, .* 0 sockets left\x1b\[0m"])


def test_it_waits_for_the_end_of_a_stack_whose_last_worker_was_killed(suite: Suite) -> None:
    suite.stack(service("shop", "--ignore-term", more='stop = { signal = "SIGTERM", seconds = 0.5 }'))
    suite.test("import os, signal\ndef test_it(shop): os.kill(os.getpid(), signal.SIGKILL)")

    result = suite.run("-n1", "--max-worker-restart=0")

    result.stdout.fnmatch_lines(["infra: 1 service, * 0 processes, 0 ports, 0 sockets left"])
    assert suite.processes() == []


# --- each kind of leak --------------------------------------------------------------------------------

XDIST = pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["serial", "xdist"])
STRICT = pytest.mark.parametrize(("option", "code"), [("--infra-strict", 1), ("-oinfra_strict=no", 0)])
FOLDER = """
import pathlib, pytest

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    pathlib.Path(".data-test/services/shop").mkdir(parents=True)
"""
CARELESS = """
from pytest_infra.services.postgres import isolation as databases

def test_it(postgres):
    databases._drop = lambda connection, name: None
"""


@STRICT
def test_a_folder_of_data_that_is_left_is_named(suite: Suite, option: str, code: int) -> None:
    suite.stack(service("shop"))
    suite.pytester.makeconftest(FOLDER)
    suite.test("def test_it(shop): pass")

    result = suite.run(option)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["infra: 1 service, *; 0 processes, 0 ports, 0 sockets, 1 folder left (*/.data-test/services)"]
    )
    assert result.ret == code


def test_of_a_supervisor_that_was_killed_nothing_is_left_either(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test("import os\ndef test_it(shop, infra_stack): os.kill(infra_stack.status().pid, 9)", "test_it")

    result = suite.run()

    result.stdout.fnmatch_lines(["infra: 1 service, *; 0 processes, 0 ports, 0 sockets left"])
    assert not (suite.root / ".data-test" / "services").exists()


@pytest.fixture
def held(suite: Suite, request: pytest.FixtureRequest) -> Iterator[Suite]:
    """A suite whose stack somebody else holds, so that it goes on."""
    name = request.param
    pytest.importorskip({"postgres": "psycopg"}.get(name, name))
    suite.stack(f"[services.{name}]\n")
    with stacks.start(name, directory=suite.root, environment="test"):
        yield suite


@XDIST
@pytest.mark.real("postgres")
@pytest.mark.parametrize("held", ["postgres"], indirect=True)
def test_a_database_that_was_not_dropped_is_named(held: Suite, arguments: tuple[str, ...]) -> None:
    held.test(CARELESS)

    result = held.run("--infra-strict", *arguments)

    result.assert_outcomes(passed=1)
    result.stdout.re_match_lines([r"infra: the stack in .*; [1-9] units? left \((infra_test_\w+(; )?)+\)$"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.real("postgres")
@pytest.mark.parametrize("held", ["postgres"], indirect=True)
def test_a_database_of_a_worker_that_was_killed_is_named(held: Suite) -> None:
    held.test("import os, signal\ndef test_it(postgres): os.kill(os.getpid(), signal.SIGKILL)")

    result = held.run("-n1", "--max-worker-restart=0")

    result.stdout.re_match_lines(
        [r"infra: the stack in .*; [1-9] units? left \((infra_test_\w+gw0_\d+(; )?)+\)$"]
    )


@pytest.mark.real("valkey")
@pytest.mark.parametrize("held", ["valkey"], indirect=True)
def test_keys_of_a_worker_that_was_killed_are_named_once(held: Suite) -> None:
    held.test("import os, signal\ndef test_it(valkey): os.kill(os.getpid(), signal.SIGKILL)", "test_killed")
    held.test("def test_it(infra_stack): pass", "test_next")

    killed = held.run("test_killed.py", "-n1", "--max-worker-restart=0")
    after = held.run("test_next.py")

    killed.stdout.fnmatch_lines(["infra: the stack in *; 1 unit left (valkey-1)"])
    after.stdout.fnmatch_lines(["infra: the stack in *; 0 units left"])


@XDIST
@pytest.mark.real("postgres")
@pytest.mark.parametrize("held", ["postgres"], indirect=True)
def test_a_stack_that_goes_on_has_no_unit_of_a_run_that_went_well(
    held: Suite, arguments: tuple[str, ...]
) -> None:
    held.test(
        "import pytest\n@pytest.mark.parametrize('number', range(4))\ndef test_it(postgres, number): pass"
    )

    result = held.run("--infra-strict", *arguments)

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        ["infra: the stack in * keeps running for 1 client outside this run; 0 units left"]
    )
    assert result.ret == 0
