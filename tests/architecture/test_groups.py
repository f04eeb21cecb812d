"""The groups of tests: each test is in one, and a test of the group `unit` that starts something fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.suite import Suite

TESTS = Path(__file__).parent.parent
#: each test has the name of its group
EXAMPLES = """
import subprocess, sys
import pytest

GROUPS = ("unit", "process", "nested", "real")

@pytest.fixture(autouse=True)
def _only_in_its_group(request):
    groups = [group for group in GROUPS if request.node.get_closest_marker(group)]
    assert groups == [request.node.name.split("_")[1]]

@pytest.fixture
def infra(): subprocess.run([sys.executable, "-c", ""], check=True)

def test_unit(): pass
def test_process(infra): pass
@pytest.mark.process
def test_process_by_its_marker(): subprocess.run([sys.executable, "-c", ""], check=True)
def test_nested(pytester): pass
@pytest.mark.real("python3")
def test_real(infra, pytester): pass
"""
#: tests that are in the wrong group
WRONG = """
import os, socket, subprocess, sys
import pytest

def test_popen(): subprocess.Popen([sys.executable, "-c", ""])
def test_swallowed():
    try:
        subprocess.run([sys.executable, "-c", ""])
    except Exception:
        pass
def test_fork(): os._exit(0) if os.fork() == 0 else None
def test_spawn(): os.posix_spawn(sys.executable, [sys.executable, "-c", ""], {})
def test_listening(): socket.create_server(("127.0.0.1", 0))
@pytest.fixture
def server(): return subprocess.Popen([sys.executable, "-c", ""])
def test_with_a_fixture(server): pass
@pytest.mark.unit
def test_inner(pytester): pass
"""
#: a test whose own marker is not that of its module
TWICE = """
import pytest

pytestmark = pytest.mark.process

@pytest.mark.real("python3")
def test_it(): pass
"""


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A project with the `conftest.py` and the markers of this one."""
    pytester.makeconftest((TESTS / "conftest.py").read_text(encoding="utf-8"))
    groups = ["unit", "process", "nested", "real(service)"]
    pytester.makeini("[pytest]\naddopts = -p pytester --strict-markers\nmarkers =\n  " + "\n  ".join(groups))
    return Suite(pytester, monkeypatch)


def test_a_test_is_in_exactly_one_group(inner: Suite) -> None:
    inner.test(EXAMPLES)

    inner.run().assert_outcomes(passed=5)


def test_a_module_of_another_group_is_not_imported_for_the_group_unit(inner: Suite) -> None:
    marked = "import pytest\npytestmark = pytest.mark.process\nraise ImportError"
    folder = inner.pytester.mkpydir("tests") / "kinds"
    folder.mkdir()
    (folder / "test_kind.py").write_text("raise ImportError", encoding="utf-8")
    inner.test(marked, "test_marked")
    inner.test("def test_unit(): pass")

    inner.run("-m", "unit").assert_outcomes(passed=1)


def test_a_test_that_is_marked_for_two_groups_is_an_error(inner: Suite) -> None:
    inner.test(TWICE)

    result = inner.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_it.py::test_it is in 2 groups: process, real*"])


def test_a_unit_test_that_starts_something_fails_with_the_reason(inner: Suite) -> None:
    inner.test(WRONG)

    result = inner.run("-rfE")

    result.assert_outcomes(failed=5, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*a test of the group `unit` runs an inner pytest: mark it `nested`*",
            "*a test of the group `unit` starts a process or listens (subprocess.Popen *",
        ]
    )
