"""All processes of a run share one stack, which stops when they exit, even after SIGKILL."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import infra_runtime as infra
from fakes.suite import Suite, free_port, service
from infra_runtime.data_directory import journal

pytestmark = pytest.mark.nested
CLEAN = "0 processes, 0 ports, 0 sockets left"

#: Each test writes the URL of its stack, and waits until a test of each worker has done so. Otherwise, a
#: worker that has run all its tests could release the last lease before a slow worker has one.
WRITES_URL = """
import os, pathlib, time, pytest

@pytest.mark.parametrize("number", range({tests}))
def test_it(shop, number):
    pathlib.Path(f"url-{{number}}-{{os.getpid()}}").write_text(shop.url)
    deadline = time.monotonic() + 60
    while len({{path.name.split("-")[2] for path in pathlib.Path().glob("url-*")}}) < {workers}:
        assert time.monotonic() < deadline
        time.sleep(0.01)
"""

#: writes the pid of its process to a file, and waits until the file `go` exists or the process is killed
WAITS = """
import os, pathlib, time, pytest

@pytest.mark.parametrize("number", range(2))
def test_it(shop, number):
    written = pathlib.Path(f"new-{number}-{os.getpid()}")  # two runs can have this folder
    written.write_text(str(os.getpid()))
    written.rename(f"pid-{number}")  # a file that exists is complete
    while not pathlib.Path("go").exists():
        time.sleep(0.01)
"""


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def urls(folder: Path) -> set[str]:
    return {path.read_text() for path in folder.glob("url-*")}


@pytest.mark.parametrize(
    "arguments",
    [("-n0",), ("-n2",), ("-n2", "--dist", "loadscope"), ("-n2", "--dist", "each"), ("-p", "no:xdist")],
    ids=" ".join,
)
def test_all_workers_share_one_stack_which_stops_after_the_last_one(
    suite: Suite, arguments: tuple[str, ...]
) -> None:
    suite.stack(service("shop"))
    for module in ("test_one", "test_two"):
        suite.test(WRITES_URL.format(tests=3, workers=2 if "-n2" in arguments else 1), module)

    result = suite.run(*arguments)

    result.assert_outcomes(passed=12 if "each" in arguments else 6)
    assert suite.supervisors() == 1
    assert len(urls(suite.root)) == 1
    assert result.stdout.str().count("infra: ") == 1
    result.stdout.fnmatch_lines([f"infra: 1 service, ready in *.?? s; {CLEAN}"])
    assert suite.await_end() == []


@pytest.mark.parametrize("arguments", [("-x",), ("-x", "-n2"), ("--lf",)], ids=" ".join)
def test_a_run_that_ends_early_stops_its_stack(suite: Suite, arguments: tuple[str, ...]) -> None:
    suite.stack(service("shop"))
    suite.test("def test_one(shop): assert False\ndef test_two(shop): pass\n")
    if "--lf" in arguments:
        suite.run()

    result = suite.run(*arguments)

    assert result.ret != 0
    result.stdout.fnmatch_lines([f"infra: 1 service, *{CLEAN}"])
    assert suite.await_end() == []


def test_a_killed_run_leaves_no_process_and_no_socket(suite: Suite) -> None:
    suite.stack(service("shop", "--ignore-term", more='stop = { signal = "SIGTERM", seconds = 0.2 }'))
    suite.test(WAITS)
    run = suite.begin()
    until((suite.root / "pid-0").exists)

    run.kill()
    run.wait()

    assert suite.await_end() == []
    assert not Path(suite.paths.run).exists()


def test_a_killed_controller_and_its_killed_workers_leave_no_process_and_no_socket(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(WAITS)
    run = suite.begin("-n2")
    until((suite.root / "pid-0").exists)
    until((suite.root / "pid-1").exists)

    for pid in (run.pid, *(int((suite.root / f"pid-{number}").read_text()) for number in range(2))):
        with contextlib.suppress(ProcessLookupError):  # a worker exits without its controller
            os.kill(pid, signal.SIGKILL)
    run.wait()

    assert suite.await_end() == []
    assert not Path(suite.paths.run).exists()


def test_the_stack_keeps_running_when_the_worker_that_started_it_is_killed(suite: Suite) -> None:
    """At the end, the controller checks that the stack has stopped, although it has not used the stack."""
    suite.stack(service("shop"))
    suite.test(
        """
        import os, pathlib, signal, time

        def test_first(shop):
            pathlib.Path("first.new").write_text(shop.url)
            pathlib.Path("first.new").rename("first")
            while not pathlib.Path("second").exists():
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)

        def test_second(request):
            while not pathlib.Path("first").exists():
                time.sleep(0.01)
            shop = request.getfixturevalue("shop")
            pathlib.Path("second").touch()
            time.sleep(0.3)
            assert pathlib.Path("first").read_text() == shop.url
            import socket
            socket.create_connection((shop.host, shop.port)).close()
        """
    )

    result = suite.run("-n2", "--dist", "load", "--max-worker-restart=0")

    result.stdout.fnmatch_lines(["*worker 'gw?' crashed while running 'test_it.py::test_first'*"])
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([f"infra: 1 service, *{CLEAN}"])
    assert suite.supervisors() == 1
    assert suite.await_end() == []


def test_ctrl_c_stops_the_stack(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(WAITS)
    run = suite.begin()
    until((suite.root / "pid-0").exists)

    run.send_signal(signal.SIGINT)

    assert run.wait(timeout=300) == pytest.ExitCode.INTERRUPTED
    assert suite.processes() == []


def test_two_runs_with_the_same_plan_share_the_stack(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(WAITS)
    suite.test(WRITES_URL.format(tests=1, workers=1), "test_other")
    first = suite.begin("test_it.py")
    until((suite.root / "pid-0").exists)

    second = suite.run("test_other.py")
    (suite.root / "go").touch()

    second.assert_outcomes(passed=1)
    second.stdout.fnmatch_lines(
        ["infra: the stack in *.data-test keeps running for 1 client *; 0 units left"]
    )
    assert first.wait(timeout=300) == 0
    assert suite.supervisors() == 1
    assert suite.await_end() == []


def test_a_run_with_another_plan_has_its_own_stack(suite: Suite) -> None:
    """The plans are compared, not the running services: the first run has not started the changed service."""
    suite.stack(service("shop"), service("other"))
    suite.test(WAITS)
    suite.test("import pathlib\ndef test_it(infra_stack, other): print(infra_stack.data)\n", "test_other")
    first = suite.begin("test_it.py")
    until((suite.root / "pid-0").exists)
    suite.stack(service("shop"), service("other", "--exit-after", "600"))

    second = suite.run("-s", "test_other.py")
    (suite.root / "go").touch()

    second.assert_outcomes(passed=1)
    second.stdout.fnmatch_lines([f"*{suite.root}/.data-test/plan-*", f"infra: 2 services, *{CLEAN}"])
    assert first.wait(timeout=300) == 0
    assert suite.await_end() == []


def test_a_stack_that_was_running_before_the_run_is_shared_and_keeps_running(suite: Suite) -> None:
    suite.stack(service("shop", port=free_port()))
    suite.test("def test_it(shop, infra_stack): assert infra_stack.data.name == '.data'")

    with infra.start(directory=suite.root, environment="development") as stack:
        result = suite.run("--infra-env=development")
        services = stack.status().services

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["infra: the stack in *.data keeps running for 1 client *; 0 units left"])
    assert [service.phase for service in services] == ["ready"]


def test_only_the_first_request_for_a_service_is_in_the_journal(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(WRITES_URL.format(tests=5, workers=1))

    suite.run().assert_outcomes(passed=5)

    events = [event.event for event in journal.read(suite.paths.journal)]
    assert events.count("wanted") == 1


def test_two_checkouts_have_separate_stacks(suite: Suite, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (suite.root / folder).mkdir()
        suite.stack(service("shop"))
        (suite.root / "infra.toml").rename(suite.root / folder / "infra.toml")
        (suite.root / folder / "pytest.ini").write_text("[pytest]\n")
        (suite.root / folder / "test_it.py").write_text(WAITS)
    runs = [suite.begin("--rootdir", folder, folder) for folder in ("one", "two")]
    until((suite.root / "pid-0").exists)
    (suite.root / "go").touch()

    assert [run.wait(timeout=300) for run in runs] == [0, 0]
    assert suite.supervisors("one/.data-test") == 1
    assert suite.supervisors("two/.data-test") == 1
    assert suite.await_end() == []


def test_a_run_that_starts_while_a_stack_stops_succeeds(suite: Suite) -> None:
    """The second group of three runs starts while the services of the first group stop."""
    suite.stack(service("shop"))
    suite.test(WRITES_URL.format(tests=1, workers=1))

    for _ in range(2):
        runs = [suite.begin("-p", "no:cacheprovider") for _ in range(3)]
        assert [run.wait(timeout=300) for run in runs] == [0, 0, 0]

    assert suite.await_end() == []
