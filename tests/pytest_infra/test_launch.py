"""The supervisor is started through pytest-xprocess, but the pid file of pytest-xprocess is not used."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.suite import Suite, service

pytestmark = pytest.mark.nested
SLEEP_COMMAND = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def foreign_process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does not belong to the stack."""
    with subprocess.Popen(SLEEP_COMMAND) as process:
        yield process
        process.kill()


def test_the_supervisor_is_started_through_xprocess(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.pytester.makeconftest(
        """
        import xprocess
        original = xprocess.XProcess.ensure

        def ensure(self, name, starter, **options):
            result = original(self, name, starter, **options)
            print("\\nxprocess started", name)
            return result

        xprocess.XProcess.ensure = ensure
        """
    )
    suite.test("def test_it(shop): pass")

    result = suite.run("-s")

    result.stdout.fnmatch_lines(["*xprocess started supervisor"])


def test_a_stale_pid_file_with_the_pid_of_a_foreign_process_is_not_used(
    suite: Suite, foreign_process: subprocess.Popen[bytes]
) -> None:
    suite.stack(service("shop"))
    suite.test("def test_it(shop): pass")
    suite.run()
    pid_file = suite.root / ".data-test" / "xprocess" / "supervisor" / "xprocess.PID"
    pid_file.write_text(str(foreign_process.pid))

    result = suite.run()

    result.assert_outcomes(passed=1)
    assert foreign_process.poll() is None
    assert not pid_file.exists()


def test_no_pid_file_exists_that_xkill_could_use(suite: Suite) -> None:
    """With a pid file, a later `pytest --xkill` would kill the process with that pid, even a foreign one."""
    suite.stack(service("shop"))
    suite.test(
        "def test_it(shop, pytestconfig): print('pid files:', list(pytestconfig.rootpath.rglob('*.PID')))"
    )

    result = suite.run("-s")

    result.stdout.fnmatch_lines(["*pid files: []"])


@pytest.mark.parametrize("plugins", ["cacheprovider", "xprocess", "xprocess terminal", "capture", "logging"])
def test_the_stack_is_started_without_optional_plugins(suite: Suite, plugins: str) -> None:
    suite.stack(service("shop"))
    suite.test("def test_it(shop): pass")

    assert suite.run(*(f"-pno:{plugin}" for plugin in plugins.split())).ret == 0
    assert suite.supervisors() == 1
    assert suite.await_end() == []


def test_the_output_of_a_failed_test_has_no_section_of_xprocess(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test("def test_it(shop): assert not shop.url")

    result = suite.run()

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*supervisor log*")
    result.stdout.no_fnmatch_line("*Captured stdout*")


#: starts a process that fails instead of the supervisor
FAILING_SUPERVISOR = """
import sys
from infra_runtime.supervisor import argv

argv.command = lambda *_, **options: [sys.executable, "-c", "raise SystemExit('no such codec')"]
"""


def test_the_error_of_a_supervisor_that_exits_contains_its_output(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test("def test_it(shop): pass")
    suite.pytester.makeconftest(FAILING_SUPERVISOR)

    result = suite.run_in_new_process()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["infra: the supervisor exited with status 1 *no such codec*"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write to read-only directories")
def test_the_error_in_a_read_only_project_names_the_option_for_another_data_directory(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test("def test_it(shop): pass")
    suite.root.chmod(stat.S_IRUSR | stat.S_IXUSR)

    result = suite.run("-p", "no:cacheprovider")
    suite.root.chmod(stat.S_IRWXU)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["infra: *.data-test: Permission denied*", "*--infra-data*"])


def test_a_suite_in_a_read_only_project_passes_with_another_data_directory(
    suite: Suite, tmp_path: Path
) -> None:
    suite.stack(service("shop"))
    suite.test("def test_it(shop): pass")
    suite.root.chmod(stat.S_IRUSR | stat.S_IXUSR)

    result = suite.run("-p", "no:cacheprovider", "--infra-data", str(tmp_path / "data"))
    suite.root.chmod(stat.S_IRWXU)

    result.assert_outcomes(passed=1)
    assert (tmp_path / "data" / "events.jsonl").exists()
    assert not (suite.root / ".data-test").exists()


def test_a_run_without_the_fixture_of_xprocess_has_no_reminder_of_it(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test("def test_it(shop): pass")

    output = suite.run("-v").stdout.str()

    assert "1 passed" in output
    assert "xprocess reminder" not in output


def test_the_reminder_of_xprocess_stays_for_its_own_processes(suite: Suite) -> None:
    suite.test("def test_it(xprocess): pass")

    assert "xprocess reminder" in suite.run("-v").stdout.str()
