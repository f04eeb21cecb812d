"""The records of pytest sessions: limits, states, and records that are incomplete, damaged or hostile."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from infra_runtime.data_directory import session_record
from infra_runtime.data_directory.session_record import FORMAT, Reading, Writer, find, listing, summary

BEGAN = 1_780_000_000.0


def start(**more: Any) -> str:
    values = {"format": FORMAT, "time": BEGAN, "pid": 1, "root": "/shop", "data": "/shop/.data-test"}
    return json.dumps({"kind": "session", **values, **more})


def line_of(test: str, outcome: str = "passed", **more: Any) -> str:
    values = {"test": test, "outcome": outcome, "began": BEGAN, "seconds": 0.5, "counts": {outcome: 1}}
    return json.dumps({"kind": "test", **values, **more})


def end(status: int = 0) -> str:
    return json.dumps({"kind": "end", "time": BEGAN + 9, "status": status, "counts": {"passed": 3}})


def write(data: Path, *lines: str, began: float = BEGAN) -> Path:
    writer = Writer(data, began)
    writer.write(lines)
    writer.close()
    return writer.path


def test_the_record_of_a_session_is_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = write(tmp_path, start())
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_sessions_are_listed_the_newest_first_from_all_data_directories(tmp_path: Path) -> None:
    first = write(tmp_path, start(time=BEGAN))
    (tmp_path / "plan-0a").mkdir()
    second = write(tmp_path / "plan-0a", start(time=BEGAN + 1), began=BEGAN + 1)

    sessions = listing([tmp_path, tmp_path]).sessions

    assert [session.id for session in sessions] == [second.stem, first.stem]
    assert find([tmp_path], second.stem) == second


def test_an_unreadable_record_does_not_replace_an_older_session(tmp_path: Path) -> None:
    readable = write(tmp_path, start(time=BEGAN))
    write(tmp_path, start(time=BEGAN + 1), began=BEGAN + 1).write_bytes(b"not a record\n")

    sessions = listing([tmp_path], 1).sessions

    assert [session.id for session in sessions] == [readable.stem]


def test_a_session_is_running_while_its_process_has_locked_the_record(tmp_path: Path) -> None:
    writer = Writer(tmp_path, BEGAN)
    writer.write([start(), line_of("a")])

    (running,) = listing([tmp_path]).sessions
    writer.close()
    (killed,) = listing([tmp_path]).sessions

    assert (running.state, killed.state) == ("running", "killed")
    assert running.counts == {"passed": 1}


@pytest.mark.parametrize(
    ("status", "state"), [(0, "passed"), (1, "failed"), (2, "interrupted"), (3, "failed"), (5, "passed")]
)
def test_an_ended_session_has_the_state_of_its_exit_status(tmp_path: Path, status: int, state: str) -> None:
    session = summary(write(tmp_path, start(), line_of("a"), end(status)))

    assert session is not None
    assert (session.state, session.counts, session.changed) == (state, {"passed": 3}, BEGAN + 9)


def test_the_oldest_records_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_record, "SESSIONS", 3)

    paths = [write(tmp_path, start(), began=BEGAN + number) for number in range(5)]

    assert [path.exists() for path in paths] == [False, False, True, True, True]


def test_records_that_are_too_large_together_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_record, "BYTES", 1000)

    paths = [write(tmp_path, "x" * 400, began=BEGAN + number) for number in range(4)]

    assert [path.exists() for path in paths] == [False, True, True, True]


def test_a_reading_continues_with_the_lines_that_were_added(tmp_path: Path) -> None:
    writer = Writer(tmp_path, BEGAN)
    starts = [json.dumps({"kind": "start", "test": name, "time": BEGAN}) for name in ("a", "b")]
    writer.write([start(), *starts, line_of("a")])
    first = Reading.of(writer.path)
    os.write(writer._descriptor, line_of("b", "failed").encode())
    incomplete = first.continued(writer.path)
    os.write(writer._descriptor, b"\n")
    second = incomplete.continued(writer.path)
    writer.close()

    assert ([test.test for test in first.tests], [*first.running]) == (["a"], ["b"])
    assert incomplete == first
    assert ([test.outcome for test in second.tests], second.running) == (["passed", "failed"], {})


def test_damaged_and_unknown_lines_are_ignored(tmp_path: Path) -> None:
    lines = ["{", "[1]", '"x"', '{"kind": "later"}', '{"kind": "test", "test": 1}', "[" * 10_000, "\x00\xff"]

    path = write(tmp_path, start(later=1), *lines, line_of("a", later=1), *lines)

    assert [test.test for test in Reading.of(path).tests] == ["a"]
    session = summary(path)
    assert session is not None
    assert session.counts == {"passed": 1}


@pytest.mark.parametrize("content", ["", "{", "x\n", '{"kind": "end"}\n', f"{start(time=1e12)}\n"])
def test_a_damaged_record_is_left_out(tmp_path: Path, content: str) -> None:
    path = write(tmp_path)
    path.write_text(content, encoding="utf-8")

    assert listing([tmp_path]).sessions == ()
    assert Reading.of(path).tests == ()


def test_half_a_pair_of_surrogates_is_replaced(tmp_path: Path) -> None:
    path = write(tmp_path, start(), line_of("a\udcff"), '{"kind": "start", "test": "\udcff", "time": 1}')

    reading = Reading.of(path)

    assert [test.test for test in reading.tests] == ["a?"]
    assert [*reading.running] == ["?"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    real = write(tmp_path, start())
    other = tmp_path / "other"
    (other / session_record.FOLDER).mkdir(parents=True)
    (other / session_record.FOLDER / "20260101T000000-00000000.jsonl").symlink_to(real)
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / session_record.FOLDER).symlink_to(real.parent)

    assert listing([other, linked]).sessions == ()
    with pytest.raises(OSError, match="symbolic link"):
        Writer(linked, BEGAN)


@pytest.mark.parametrize(
    "name", ["", "../x", "20260101T000000-00000000/..", "x" * 300, "20260101T000000-0000000g"]
)
def test_a_path_is_not_the_id_of_a_session(tmp_path: Path, name: str) -> None:
    write(tmp_path, start())

    assert find([tmp_path], name) is None
