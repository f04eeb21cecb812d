"""The record of a session: what the plugin writes about each test, and when it writes nothing."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fakes.suite import Suite, service
from infra_runtime.data_directory import session_record
from infra_runtime.data_directory.session_record import Reading, TestEnd
from pytest_infra import record as plugin
from pytest_infra.notes import ATTRIBUTE, DETAILS, Notes
from pytest_infra.record import Record

TESTS = """
import pytest

def test_plain(): pass

def test_passed(shop): pass

def test_failed(shop): assert 1 == 2, "no stock"

@pytest.mark.xfail
def test_xfailed(shop): assert False

@pytest.mark.skip
def test_skipped(shop): pass

@pytest.fixture
def broken(): raise ValueError("first line\\nsecond line")

def test_error(shop, broken): pass
"""


@pytest.fixture
def config(tmp_path: Path) -> Any:
    """What the plugin reads from pytest's configuration."""
    return SimpleNamespace(
        stash=pytest.Stash(),
        rootpath=tmp_path,
        args=["tests"],
        option=SimpleNamespace(keyword="order", markexpr="", tx=["popen", "popen"]),
    )


def report(when: str = "call", outcome: str = "passed", text: str = "", **more: Any) -> Any:
    """Return the report of a phase that has taken half a second."""
    test_report = pytest.TestReport("test_a.py::test_it", ("", 0, ""), {}, outcome, text, when, duration=0.5)  # type: ignore[arg-type]
    vars(test_report).update(more)
    return test_report


def run(recorder: Record, *reports: Any, data: Path | None = None) -> None:
    recorder.pytest_runtest_logstart("test_a.py::test_it")
    for report in reports:
        if data:
            vars(report)[ATTRIBUTE] = {"data": [str(data)]}
        recorder.pytest_runtest_logreport(report)


def finish(recorder: Record, config: Any, status: int = 0) -> None:
    for _ in recorder.pytest_sessionfinish(SimpleNamespace(config=config, exitstatus=status)):  # type: ignore[arg-type]
        pass


def passed() -> list[Any]:
    return [report("setup"), report(), report("teardown")]


def lines(data: Path) -> list[dict[str, Any]]:
    (path,) = (data / session_record.FOLDER).iterdir()
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def recorded(data: Path) -> list[TestEnd]:
    (path,) = (data / session_record.FOLDER).iterdir()
    return [*Reading.of(path).tests]


# --- with services ---------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["serial", "xdist"])
def test_the_tests_of_a_session_are_recorded(suite: Suite, arguments: tuple[str, ...]) -> None:
    suite.stack(service("shop"))
    suite.test(TESTS)

    suite.run("-k", "test_", *arguments)

    data = Path(suite.paths.data)
    tests = {test.test.partition("::")[2]: test for test in recorded(data)}
    assert {name: test.outcome for name, test in tests.items()} == {
        "test_plain": "passed",
        "test_passed": "passed",
        "test_failed": "failed",
        "test_xfailed": "xfailed",
        "test_skipped": "skipped",
        "test_error": "error",
    }
    assert tests["test_failed"].error == "AssertionError: no stock"
    assert tests["test_error"].error == "ValueError: first line"
    failure = json.loads((Path(tests["test_failed"].report) / "capsule.json").read_text(encoding="utf-8"))
    assert tests["test_failed"].trace == failure["trace"]
    assert tests["test_passed"].services == ("shop",)
    assert "isolate shop" in dict(tests["test_passed"].waits)
    assert (tests["test_plain"].trace, tests["test_plain"].waits) == ("", ())
    assert {test.worker for test in tests.values()} <= ({"gw0", "gw1"} if arguments else {""})
    first, *_, last = lines(data)
    assert (first["selected"], first["workers"], first["keyword"]) == (6, 2 if arguments else 0, "test_")
    assert (last["kind"], last["status"], sum(last["counts"].values())) == ("end", 1, 6)


def test_the_time_of_a_fixture_is_not_a_wait(suite: Suite) -> None:
    """Otherwise, the sum of the waits would contain the waits in the fixture twice."""
    suite.stack(service("shop"))
    suite.test(
        "import pytest\n"
        "@pytest.fixture\n"
        "def customer(infra_service): infra_service('shop')\n"
        "def test_it(customer): pass"
    )

    suite.run()

    (test,) = recorded(Path(suite.paths.data))
    assert [*dict(test.waits)] == ["start shop"]


def test_a_secret_in_an_error_is_masked(suite: Suite) -> None:
    suite.stack(service("shop", more='exports = { token = "hidden-value-1" }\nsensitive = ["token"]'))
    suite.test("def test_it(shop): assert not shop['token']")

    suite.run()

    (path,) = (Path(suite.paths.data) / session_record.FOLDER).iterdir()
    assert "hidden-value-1" not in path.read_text(encoding="utf-8")


def test_a_killed_session_keeps_its_lines(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(
        f"import os\ndef test_passed(shop): pass\ndef test_it(): os.kill(os.getpid(), {signal.SIGKILL:d})"
    )

    suite.run()

    (session,) = session_record.listing([Path(suite.paths.data)]).sessions
    assert (session.state, session.counts) == ("killed", {"passed": 1})
    assert [*Reading.of(session.path).running] == ["test_it.py::test_it"]
    assert suite.await_end() == []


def test_a_session_without_services_or_with_the_option_has_no_record(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test("def test_plain(): pass\ndef test_shop(shop): pass")

    suite.run("-k", "plain")
    assert not Path(suite.paths.data).exists()
    suite.run("--infra-record=no")

    assert not (Path(suite.paths.data) / session_record.FOLDER).exists()


# --- without a process -----------------------------------------------------------------------------


def test_the_lines_of_earlier_tests_are_written_with_the_first_one_that_uses_a_service(
    tmp_path: Path, config: Any
) -> None:
    recorder = Record(config)
    run(recorder, *passed())

    assert not (tmp_path / session_record.FOLDER).exists()
    run(recorder, *passed(), data=tmp_path)

    assert [line["kind"] for line in lines(tmp_path)] == ["session", "test", "start", "test"]
    finish(recorder, config)


@pytest.mark.parametrize(
    ("reports", "outcome"),
    [
        ([report("setup"), report(outcome="failed"), report("teardown", "failed")], "failed"),
        ([report("setup"), report(), report("teardown", "failed")], "error"),
        ([report("setup"), report("???", "failed", "worker gw0 crashed")], "error"),
        ([report("setup"), report(outcome="rerun")], "rerun"),
        ([report("setup"), report(wasxfail="reason"), report("teardown")], "xpassed"),
        # a failed subtest before the report of the test itself
        ([report("setup"), report(outcome="failed"), report(), report("teardown")], "failed"),
    ],
)
def test_the_outcome_of_a_test_follows_from_its_reports(
    tmp_path: Path, config: Any, reports: list[Any], outcome: str
) -> None:
    recorder = Record(config)

    run(recorder, *reports, data=tmp_path)
    finish(recorder, config)

    assert [test.outcome for test in recorded(tmp_path)] == [outcome]


def test_the_waits_of_all_phases_are_added(tmp_path: Path, config: Any) -> None:
    recorder = Record(config)
    first = report("setup", **{DETAILS: {"waits": [["start db", 2.0]], "services": ["db"], "trace": "ab"}})
    second = report(**{DETAILS: {"waits": [["isolate db", 0.1]], "services": ["db"], "trace": "ab"}})

    run(recorder, first, second, report("teardown"), data=tmp_path)
    finish(recorder, config)

    (test,) = recorded(tmp_path)
    assert test.waits == (("start db", 2.0), ("isolate db", 0.1))
    assert (test.services, test.trace, test.seconds) == (("db",), "ab", 1.5)
    assert test.phases == {"setup": 0.5, "call": 0.5, "teardown": 0.5}


def test_further_tests_are_only_counted(tmp_path: Path, config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "TESTS", 2)
    recorder = Record(config)

    for _ in range(5):
        run(recorder, *passed(), data=tmp_path)
    finish(recorder, config)

    assert len(recorded(tmp_path)) == 2
    last = lines(tmp_path)[-1]
    assert (last["counts"], last["left_out"]) == ({"passed": 5}, 3)


def test_long_texts_are_cut_and_bytes_that_are_not_utf8_are_replaced(tmp_path: Path, config: Any) -> None:
    recorder = Record(config)
    failed = report(outcome="failed", text="\udcff" + "x" * 10_000)

    run(recorder, report("setup"), failed, report("teardown"), data=tmp_path)
    finish(recorder, config)

    (test,) = recorded(tmp_path)
    assert test.error == "?" + "x" * 499


def test_a_record_that_cannot_be_written_does_not_fail_the_session(tmp_path: Path, config: Any) -> None:
    (tmp_path / session_record.FOLDER).write_text("a file", encoding="utf-8")
    recorder = Record(config)

    run(recorder, *passed(), data=tmp_path)
    run(recorder, *passed(), data=tmp_path)
    finish(recorder, config)

    (message,) = Notes.of(config).messages
    assert message.startswith("the record of this session cannot be written: ")


def test_a_record_that_could_not_be_written_once_is_not_continued(tmp_path: Path, config: Any) -> None:
    blocked = tmp_path / session_record.FOLDER
    blocked.write_text("a file", encoding="utf-8")
    recorder = Record(config)
    run(recorder, *passed(), data=tmp_path)
    blocked.unlink()

    run(recorder, *passed(), data=tmp_path)
    finish(recorder, config)

    assert not blocked.exists()
