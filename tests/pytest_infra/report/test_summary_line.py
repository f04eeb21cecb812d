"""The summary line contains the number and the names of processes and units that a run has left."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from fakes.suite import Suite, service
from infra_runtime.data_directory.journal import Journal
from infra_runtime.data_directory.marker import make_data_directory
from infra_runtime.engines.local import engine as stacks

#: creates a file in the directory of sockets, after the plugin's lease ends and before the plugin counts
LEAVES_SOCKET = """
import pathlib, pytest
from infra_runtime.data_directory.paths import Paths

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput"):
        return
    run = pathlib.Path(Paths(".data-test").run)
    run.mkdir()
    (run / "leftover").touch()
"""


@pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["serial", "xdist"])
def test_the_line_names_a_leftover_socket_in_red(suite: Suite, arguments: tuple[str, ...]) -> None:
    suite.stack(service("shop"))
    suite.pytester.makeconftest(LEAVES_SOCKET)
    suite.test("def test_it(shop): pass")

    result = suite.run("--color=yes", *arguments)

    shutil.rmtree(suite.paths.run)
    result.stdout.re_match_lines(
        [r"\x1b\[31minfra: 1 service, .*; 0 processes, 0 ports, 1 socket left \(.*/leftover\)\x1b\[0m"]
    )


def test_the_summary_line_is_green_if_no_process_port_or_socket_is_left(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test("def test_it(shop): pass")

    result = suite.run("--color=yes")

    result.stdout.re_match_lines([r"\x1b\[32minfra: 1 service, .* 0 sockets left\x1b\[0m"])


def test_the_line_is_printed_after_the_stack_of_a_killed_worker_has_stopped(suite: Suite) -> None:
    suite.stack(service("shop", "--ignore-term", more='stop = { signal = "SIGTERM", seconds = 0.5 }'))
    suite.test("import os, signal\ndef test_it(shop): os.kill(os.getpid(), signal.SIGKILL)")

    result = suite.run("-n1", "--max-worker-restart=0")

    result.stdout.fnmatch_lines(["infra: 1 service, * 0 processes, 0 ports, 0 sockets left"])
    assert suite.processes() == []


# --- kinds of leftovers ------------------------------------------------------------------------------

XDIST = pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["serial", "xdist"])
STRICT = pytest.mark.parametrize(("option", "code"), [("--infra-strict", 1), ("-oinfra_strict=no", 0)])
LEAVES_FOLDER = """
import pathlib, pytest

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    pathlib.Path(".data-test/services/shop").mkdir(parents=True)
"""
DROPS_NO_DATABASE = """
from pytest_infra.services.postgres import obstacles

def test_it(postgres):
    obstacles.drop = lambda connection, server, name: None
"""


@STRICT
def test_the_line_names_a_leftover_data_folder(suite: Suite, option: str, code: int) -> None:
    suite.stack(service("shop"))
    suite.pytester.makeconftest(LEAVES_FOLDER)
    suite.test("def test_it(shop): pass")

    result = suite.run(option)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["infra: 1 service, *; 0 processes, 0 ports, 0 sockets, 1 folder left (*/.data-test/services)"]
    )
    assert result.ret == code


def test_nothing_is_left_after_the_supervisor_was_killed(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test("import os\ndef test_it(shop, infra_stack): os.kill(infra_stack.status().pid, 9)", "test_it")

    result = suite.run()

    result.stdout.fnmatch_lines(["infra: 1 service, *; 0 processes, 0 ports, 0 sockets left"])
    assert not (suite.root / ".data-test" / "services").exists()


@XDIST
def test_little_free_memory_is_a_line_of_the_report(suite: Suite, arguments: tuple[str, ...]) -> None:
    suite.stack(service("shop"))
    suite.test("""
        from infra_runtime.data_directory.journal import Journal

        def test_it(shop):
            journal = Journal(".data-test/events.jsonl")
            journal.write("memory-low", reason="/dev/shm has 7 MB left")
            journal.close()
    """)

    result = suite.run(*arguments)

    result.stdout.fnmatch_lines(["infra: /dev/shm has 7 MB left", "infra: 1 service, *"])


def test_an_event_of_an_earlier_run_is_not_in_the_report(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test("def test_it(shop): pass")
    (suite.root / ".data-test").mkdir(mode=0o700)
    make_data_directory(suite.paths, "test")
    old = Journal(suite.paths.journal)
    old.write("memory-low", reason="/dev/shm has 7 MB left")
    old.close()

    result = suite.run()

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*7 MB*")


@pytest.fixture
def running_suite(suite: Suite, request: pytest.FixtureRequest) -> Iterator[Suite]:
    """A suite whose stack has another client, so that it keeps running after the inner pytest."""
    name = request.param
    pytest.importorskip({"postgres": "psycopg"}.get(name, name))
    suite.stack(f"[services.{name}]\n")
    with stacks.start(name, directory=suite.root, environment="test"):
        yield suite


@XDIST
@pytest.mark.real("postgres")
@pytest.mark.parametrize("running_suite", ["postgres"], indirect=True)
def test_the_line_names_a_database_that_was_not_dropped(
    running_suite: Suite, arguments: tuple[str, ...]
) -> None:
    running_suite.test(DROPS_NO_DATABASE)

    result = running_suite.run("--infra-strict", *arguments)

    result.assert_outcomes(passed=1)
    result.stdout.re_match_lines([r"infra: the stack in .*; [1-9] units? left \((infra_test_\w+(; )?)+\)$"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.real("postgres")
@pytest.mark.parametrize("running_suite", ["postgres"], indirect=True)
def test_the_line_names_a_database_of_a_killed_worker(running_suite: Suite) -> None:
    running_suite.test("import os, signal\ndef test_it(postgres): os.kill(os.getpid(), signal.SIGKILL)")

    result = running_suite.run("-n1", "--max-worker-restart=0")

    result.stdout.re_match_lines(
        [r"infra: the stack in .*; [1-9] units? left \((infra_test_\w+gw0_\d+(; )?)+\)$"]
    )


@pytest.mark.real("valkey")
@pytest.mark.parametrize("running_suite", ["valkey"], indirect=True)
def test_the_unit_of_a_killed_worker_is_named_in_one_run_only(running_suite: Suite) -> None:
    running_suite.test(
        "import os, signal\ndef test_it(valkey): os.kill(os.getpid(), signal.SIGKILL)", "test_killed"
    )
    running_suite.test("def test_it(infra_stack): pass", "test_next")

    run_with_kill = running_suite.run("test_killed.py", "-n1", "--max-worker-restart=0")
    next_run = running_suite.run("test_next.py")

    run_with_kill.stdout.fnmatch_lines(["infra: the stack in *; 1 unit left (valkey-1)"])
    next_run.stdout.fnmatch_lines(["infra: the stack in *; 0 units left"])


@XDIST
@pytest.mark.real("postgres")
@pytest.mark.parametrize("running_suite", ["postgres"], indirect=True)
def test_a_successful_run_leaves_no_unit_in_a_stack_that_keeps_running(
    running_suite: Suite, arguments: tuple[str, ...]
) -> None:
    running_suite.test(
        "import pytest\n@pytest.mark.parametrize('number', range(4))\ndef test_it(postgres, number): pass"
    )

    result = running_suite.run("--infra-strict", *arguments)

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        ["infra: the stack in * keeps running for 1 client outside this run; 0 units left"]
    )
    assert result.ret == 0
