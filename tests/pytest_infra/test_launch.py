"""The supervisor comes up through pytest-xprocess, which is never believed about a pid."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.suite import Suite, service

SOMEBODY = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process of somebody else's."""
    with subprocess.Popen(SOMEBODY) as process:
        yield process
        process.kill()


def test_it_is_started_through_xprocess(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.pytester.makeconftest(
        """
        import xprocess
        before = xprocess.XProcess.ensure

        def ensure(self, name, starter, **options):
            found = before(self, name, starter, **options)
            print("\\nxprocess started", name)
            return found

        xprocess.XProcess.ensure = ensure
        """
    )
    suite.test("def test_it(shop): pass")

    result = suite.run("-s")

    result.stdout.fnmatch_lines(["*xprocess started supervisor"])


def test_a_stale_pid_file_that_names_a_stranger_is_never_believed(
    suite: Suite, stranger: subprocess.Popen[bytes]
) -> None:
    suite.stack(service("shop"))
    suite.test("def test_it(shop): pass")
    suite.run()
    pid_file = suite.root / ".data-test" / "xprocess" / "supervisor" / "xprocess.PID"
    pid_file.write_text(str(stranger.pid))

    result = suite.run()

    result.assert_outcomes(passed=1)
    assert stranger.poll() is None
    assert not pid_file.exists()


def test_xkill_cannot_reach_the_supervisor_nor_a_stranger(suite: Suite) -> None:
    """Its pid would lie about for the next `pytest --xkill`, and be somebody else's by then."""
    suite.stack(service("shop"))
    suite.test(
        "def test_it(shop, pytestconfig): print('its files:', list(pytestconfig.rootpath.rglob('*.PID')))"
    )

    result = suite.run("-s")

    result.stdout.fnmatch_lines(["*its files: []"])


@pytest.mark.parametrize("plugins", ["cacheprovider", "xprocess", "xprocess terminal", "capture", "logging"])
def test_other_plugins_may_be_missing(suite: Suite, plugins: str) -> None:
    suite.stack(service("shop"))
    suite.test("def test_it(shop): pass")

    assert suite.run(*(f"-pno:{plugin}" for plugin in plugins.split())).ret == 0
    assert suite.supervisors() == 1
    assert suite.await_end() == []


def test_a_failing_tests_report_says_nothing_of_xprocess(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test("def test_it(shop): assert not shop.url")

    result = suite.run()

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*supervisor log*")
    result.stdout.no_fnmatch_line("*Captured stdout*")


def test_what_a_broken_supervisor_said_is_in_the_error(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test("def test_it(shop): pass")
    suite.run()
    (suite.root / ".data-test" / "events.jsonl").unlink()
    (suite.root / ".data-test" / "events.jsonl").mkdir()

    result = suite.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["infra: the supervisor ended with status 1 *events.jsonl*"])


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_project_says_so(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test("def test_it(shop): pass")
    suite.root.chmod(stat.S_IRUSR | stat.S_IXUSR)

    result = suite.run("-p", "no:cacheprovider")
    suite.root.chmod(stat.S_IRWXU)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["infra: *.data-test: Permission denied*", "*--infra-data*"])


def test_a_read_only_project_works_with_its_data_elsewhere(suite: Suite, tmp_path: Path) -> None:
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
