"""A warm stack is used by a later run that has the option `--infra-reuse` and the same plan."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from fakes.suite import Suite, service
from infra_runtime.engines.local import engine as stacks
from infra_runtime.engines.local.client import Client
from infra_runtime.messages import STATUS, Nothing
from pytest_infra.stack_sharing import Plan

TEST = "def test_it(shop):\n    assert shop.port\n"


@pytest.fixture
def warm(suite: Suite) -> Iterator[Suite]:
    """A suite whose first run left its stack warm."""
    suite.stack(service("shop"))
    suite.test(TEST)
    result = suite.run("--infra-reuse-for=60")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["infra: the stack in *.data-test stays warm for 60 s; `infra runtime down*"])
    yield suite
    suite.down()


@pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["serial", "xdist"])
def test_the_next_run_uses_the_warm_stack(warm: Suite, arguments: tuple[str, ...]) -> None:
    result = warm.run("--infra-reuse", *arguments)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["infra: the warm stack of an earlier run was used"])
    assert warm.supervisors() == 1


def test_a_run_without_the_option_starts_its_own_stack(warm: Suite) -> None:
    result = warm.run()

    result.assert_outcomes(passed=1)
    assert warm.supervisors() == 2
    assert warm.await_end() == []


def test_a_changed_plan_is_reported_and_starts_a_new_stack(warm: Suite) -> None:
    warm.stack(service("shop", more="start_timeout = 19"), service("till"))

    result = warm.run("--infra-reuse-for=60")

    result.assert_outcomes(passed=1)
    message = "infra: the warm stack had another plan (changed: shop; new: till); a new stack was started"
    result.stdout.fnmatch_lines([message.replace("[", "[[]")])
    assert warm.supervisors() == 2


def test_a_warm_stack_stops_after_the_given_number_of_seconds(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(TEST)

    suite.run("--infra-reuse-for=0.5").assert_outcomes(passed=1)

    assert suite.await_end() == []


def test_a_warm_stack_without_a_time_limit_does_not_get_one(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(TEST)
    with stacks.start(directory=suite.root, environment="test") as stack:
        stack.stay()

    suite.run("--infra-reuse-for=60").assert_outcomes(passed=1)

    client = Client.connect(suite.paths)
    assert client.call(STATUS, Nothing()).stay_seconds is None
    client.close()
    suite.down()


def test_in_ci_the_ini_value_infra_reuse_has_no_effect(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    suite.stack(service("shop"))
    suite.test(TEST)
    monkeypatch.setenv("CI", "true")

    suite.run("-o", "infra_reuse=yes").assert_outcomes(passed=1)

    assert suite.await_end() == []


def test_the_path_of_a_test_can_follow_the_option(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(TEST)

    suite.run("--infra-reuse", "test_it.py").assert_outcomes(passed=1)

    suite.down()


@pytest.mark.parametrize("seconds", ["soon", "nan", "-1"])
def test_an_invalid_number_of_seconds_is_reported(suite: Suite, seconds: str) -> None:
    suite.stack(service("shop"))
    suite.test(TEST)

    result = suite.run(f"--infra-reuse-for={seconds}")

    result.stderr.fnmatch_lines([f"*infra_reuse_for: '{seconds}' is not a number of seconds*"])


LEAK = """
import os, pathlib, subprocess
from infra_runtime.data_directory import journal
from infra_runtime.data_directory.paths import Paths

def test_leak(shop, infra_stack):
    paths = Paths(str(infra_stack.data))
    token = next(event.token for event in journal.read(paths.journal) if event.event == "up")
    environ = {**os.environ, "INFRA_STACK_TOKEN": token}
    child = subprocess.Popen(["sleep", "600"], env=environ, start_new_session=True)
    pathlib.Path("leak").write_text(str(child.pid))
    child.returncode = 0  # otherwise Popen warns that the process is still running
"""


@pytest.mark.parametrize(("option", "code"), [("--infra-strict", 1), ("-oinfra_strict=no", 0)])
def test_a_leftover_process_is_named_and_fails_the_run_with_infra_strict(
    suite: Suite, option: str, code: int
) -> None:
    suite.stack(service("shop"))
    suite.test(LEAK)

    result = suite.run(option)

    pid = int((suite.root / "leak").read_text())
    os.kill(pid, signal.SIGKILL)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"infra: *1 process, 0 ports, 0 sockets left (process {pid})"])
    assert result.ret == code


@pytest.mark.parametrize(
    ("old", "expected"),
    [
        ({"a": "1", "b": "2"}, "a variable, the interpreter or the setting tmpfs"),
        ({"a": "0", "b": "2"}, "changed: a"),
        ({"a": "1"}, "new: b"),
        ({"a": "1", "b": "2", "c": "3"}, "removed: c"),
    ],
)
def test_a_plan_lists_its_differences_from_an_earlier_plan(old: dict[str, str], expected: str) -> None:
    assert Plan(key="k", services={"a": "1", "b": "2"}).changes(old) == expected
