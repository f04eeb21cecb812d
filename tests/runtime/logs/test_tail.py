"""The lines of a log after a position: growth, rotation, truncation."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra_runtime.logs.line import Line
from infra_runtime.logs.tail import Tail

NOON = 1_780_000_000.0


class Log:
    """A log with its index, as the service and the supervisor write them."""

    def __init__(self, folder: Path) -> None:
        self.path, self._index = folder / "a.log", folder / "a.index"
        self._time = NOON

    def write(self, content: bytes, *, indexed: bool = True) -> None:
        with self.path.open("ab") as file:
            file.write(content)
        if indexed:
            self.index()

    def index(self) -> None:
        self._time += 1
        with self._index.open("a") as file:
            file.write(f"{self._time} {self.path.stat().st_size}\n")

    def drop(self, size: int) -> None:
        with self.path.open("r+b") as file:
            file.write(bytes(size))


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def forwarded(tail: Tail) -> list[Line]:
    lines = list(tail.lines())
    for line in lines:
        tail.forwarded(line)
    return lines


def tail_of(log: Log, last: Line | None = None, now: float = 0.0) -> Tail:
    return Tail(log.path.parent, "a", last, lambda: now)


def test_each_line_is_read_once(log: Log) -> None:
    tail = tail_of(log)
    log.write(b"a1\na2\n")
    first = forwarded(tail)
    log.write(b"a3\n")

    assert [line.text for line in first] == ["a1", "a2"]
    assert [line.text for line in forwarded(tail)] == ["a3"]
    assert forwarded(tail) == []


def test_a_line_that_was_not_forwarded_is_read_again(log: Log) -> None:
    tail = tail_of(log)
    log.write(b"a1\na2\n")
    tail.forwarded(next(tail.lines()))

    assert [line.text for line in tail.lines()] == ["a2"]


def test_a_new_tail_continues_after_the_last_line(log: Log) -> None:
    log.write(b"a1\na2\na3\n")
    second = list(tail_of(log).lines())[1]

    assert [line.text for line in tail_of(log, second).lines()] == ["a3"]


def test_a_line_waits_until_the_index_has_its_time(log: Log) -> None:
    log.write(b"a1\n")
    log.write(b"a2\nhalf", indexed=False)
    tail = tail_of(log)
    before = [line.text for line in forwarded(tail)]
    log.index()
    after = forwarded(tail)

    assert before == ["a1"]
    assert [(line.text, line.time) for line in after] == [("a2", NOON + 2)]


def test_without_an_index_a_line_is_read_when_the_log_no_longer_grows(log: Log) -> None:
    log.write(b"a1\n", indexed=False)
    changed = log.path.stat().st_mtime

    assert list(tail_of(log, now=changed).lines()) == []
    assert [line.text for line in tail_of(log, now=changed + 60).lines()] == ["a1"]


def test_dropped_lines_are_a_gap_with_their_bytes(log: Log) -> None:
    tail = tail_of(log)
    log.write(b"a1\n")
    forwarded(tail)
    log.write(b"lost\n" * 100 + b"kept\n")
    log.drop(503)

    gap, kept = forwarded(tail)

    assert (gap.dropped, gap.offset, gap.end) == (500, 3, 503)
    assert "500 bytes" in gap.text
    assert kept.text == "kept"
    assert forwarded(tail) == []


def test_a_truncation_by_the_supervisor_is_a_gap(log: Log) -> None:
    tail = tail_of(log)
    log.write(b"a1\na2\n")
    before = forwarded(tail)
    log.path.with_name("a.index").unlink()
    log.path.write_bytes(b"")
    log.path.with_name("a.log.1").write_bytes(b"a2\n")
    log.write(b"a3\n")

    gap, line = forwarded(tail)

    assert gap.dropped == -1
    assert line.text == "a3"
    assert line.file != before[0].file
    assert [later.text for later in tail_of(log, line).lines()] == []


def test_a_truncation_by_another_program_is_a_gap(log: Log) -> None:
    tail = tail_of(log)
    log.write(b"a1\na2\n")
    forwarded(tail)
    log.path.write_bytes(b"")
    log.write(b"a3\n")

    assert forwarded(tail) == []
    gap, line = forwarded(tail)
    assert (gap.dropped, line.text) == (-1, "a3")
    log.write(b"a4\n")
    assert [later.text for later in tail_of(log, line).lines()] == ["a4"]


def test_a_removed_log_has_no_lines(log: Log) -> None:
    log.write(b"a1\n")
    tail = tail_of(log)
    log.path.unlink()

    assert list(tail.lines()) == []
