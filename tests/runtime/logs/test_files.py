"""The lines of the log files, with times from their indexes, forwards and backwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra_runtime.logs.files import LONGEST_LINE, LogFile, lines, merged
from infra_runtime.logs.line import Line

NOON = 1_780_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write two logs with their indexes, as the supervisor does."""
    (tmp_path / "a.log").write_bytes(b"a1\na2\na3\n")
    (tmp_path / "a.index").write_text(f"{NOON} 3\n{NOON + 10} 6\n{NOON + 20} 9\n")
    (tmp_path / "b.log").write_bytes(b"b1\nb2\n")
    (tmp_path / "b.index").write_text(f"{NOON + 5} 3\n{NOON + 15} 6\n")
    return tmp_path


def texts(log_lines: list[Line]) -> list[str]:
    return [line.text for line in log_lines]


def test_lines_of_several_services_are_sorted_by_time(folder: Path) -> None:
    log_lines = list(merged(folder, {"a": None, "b": None}))

    assert texts(log_lines) == ["a1", "b1", "a2", "b2", "a3"]


def test_since_omits_lines_that_were_written_earlier(folder: Path) -> None:
    assert texts(list(merged(folder, {"a": None, "b": None}, since=NOON + 10))) == ["a2", "b2", "a3"]
    assert texts(list(lines(folder, "a", since=NOON + 21))) == []


def test_since_the_time_of_a_line_returns_the_line(tmp_path: Path) -> None:
    """The time of a line is rounded, here to a later time than the one in the index."""
    (tmp_path / "a.log").write_bytes(b"a1\na2\na3\n")
    (tmp_path / "a.index").write_text(f"{NOON} 3\n{NOON + 1.2346} 9\n")
    second = list(lines(tmp_path, "a"))[1]

    assert texts(list(lines(tmp_path, "a", since=second.time))) == ["a2", "a3"]


def test_an_index_entry_inside_a_line_does_not_split_it(folder: Path) -> None:
    (folder / "a.index").write_text(f"{NOON} 4\n{NOON + 10} 9\n")

    assert texts(list(lines(folder, "a", since=NOON + 1))) == ["a3"]
    assert texts(list(lines(folder, "a"))) == ["a1", "a2", "a3"]


def test_a_rotated_file_comes_first(folder: Path) -> None:
    (folder / "a.log").rename(folder / "a.log.1")
    (folder / "a.index").rename(folder / "a.index.1")
    (folder / "a.log").write_bytes(b"a4\n")
    (folder / "a.index").write_text(f"{NOON + 30} 3\n")

    assert texts(list(lines(folder, "a"))) == ["a1", "a2", "a3", "a4"]
    assert texts(list(lines(folder, "a", since=NOON + 25))) == ["a4"]


def test_a_hole_at_the_beginning_is_skipped(folder: Path) -> None:
    with (folder / "a.log").open("wb") as file:
        file.seek(1 << 40)
        file.write(b"a2\na3\n")

    assert texts(list(lines(folder, "a"))) == ["a2", "a3"]
    assert texts(list(lines(folder, "a", since=NOON))) == ["a2", "a3"]


def test_a_hole_that_appears_during_the_read_is_skipped(folder: Path) -> None:
    path = folder / "a.log"
    path.write_bytes(b"".join(b"%07d\n" % number for number in range(100_000)))

    read = lines(folder, "a")
    first = next(read).text
    with path.open("r+b") as file:
        file.write(bytes(799_992))
    rest = texts(list(read))

    assert first == "0000000"
    assert rest[-1] == "0099999"
    assert len(rest) < 100_000
    assert not any("\0" in text for text in rest)


def test_reading_ends_at_the_size_that_the_log_had_at_first(folder: Path) -> None:
    read = lines(folder, "a")
    next(read)
    with (folder / "a.log").open("ab") as file:
        file.write(b"a4\n" * 100_000)

    assert texts(list(read)) == ["a2", "a3"]


def test_without_an_index_a_line_has_the_time_of_its_file(folder: Path) -> None:
    (folder / "a.index").unlink()

    changed = (folder / "a.log").stat().st_mtime

    assert [line.time for line in lines(folder, "a")] == [pytest.approx(changed, abs=0.001)] * 3


# --- long lines and bytes that are not UTF-8 -------------------------------------------------------


def test_a_line_of_ten_megabytes_is_read_in_parts(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"before\n" + b"x" * 10_000_000 + b"\nafter\n")

    parts = texts(list(lines(tmp_path, "a")))

    assert (parts[0], parts[-1]) == ("before", "after")
    assert max(map(len, parts)) == LONGEST_LINE
    assert sum(map(len, parts[1:-1])) == 10_000_000


def test_a_part_of_a_long_line_does_not_end_inside_a_character(tmp_path: Path) -> None:
    text = "x" + "€" * LONGEST_LINE
    (tmp_path / "a.log").write_text(f"{text}\n", encoding="utf-8")

    assert "".join(texts(list(lines(tmp_path, "a")))) == text


def test_bytes_that_are_not_utf_8_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"caf\xe9\n\xff\xfe\x00\x01binary\nend\n")

    assert texts(list(lines(tmp_path, "a"))) == ["caf\ufffd", "\ufffd\ufffd\x00\x01binary", "end"]


def test_a_damaged_index_entry_is_ignored(folder: Path) -> None:
    (folder / "a.index").write_bytes(
        b"%f 3\n\x00\x00\x00 6\nnan 6\n%f 9\n%f 1" % (NOON, NOON + 20, NOON + 30)
    )

    assert [line.time for line in lines(folder, "a")] == [NOON, NOON + 20, NOON + 20]


def test_a_line_that_begins_with_a_zero_byte_is_not_a_hole(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"first\n\x00\x01\n" + b"x" * 100_000 + b"\nlast\n")

    lengths = [len(line.text) for line in lines(tmp_path, "a")]

    assert lengths == [5, 2, LONGEST_LINE, 100_000 - LONGEST_LINE, 4]


# --- positions -------------------------------------------------------------------------------------


def test_a_line_has_the_offsets_of_its_bytes(folder: Path) -> None:
    assert [(line.offset, line.end) for line in lines(folder, "a")] == [(0, 3), (3, 6), (6, 9)]


def test_reading_continues_at_the_end_of_a_line(folder: Path) -> None:
    second = list(lines(folder, "a"))[1]

    with LogFile(folder, "a") as log:
        assert texts(list(log.lines(second.end))) == ["a3"]
        assert texts(list(log.lines_before(second.end))) == ["a2", "a1"]


def test_an_incomplete_line_is_left_out_on_request(folder: Path) -> None:
    with (folder / "a.log").open("ab") as file:
        file.write(b"half")

    with LogFile(folder, "a") as log:
        assert texts(list(log.lines()))[-1] == "half"
        assert texts(list(log.lines(complete=True)))[-1] == "a3"


def test_a_reader_whose_position_was_dropped_gets_the_gap_first(tmp_path: Path) -> None:
    with (tmp_path / "a.log").open("wb") as file:
        file.seek(1 << 20)
        file.write(b"a8\na9\n")

    with LogFile(tmp_path, "a") as log:
        first, *rest = log.lines(1000)

    assert first.dropped == (1 << 20) - 1000
    assert (first.offset, first.end) == (1000, 1 << 20)
    assert texts(rest) == ["a8", "a9"]


def test_a_log_that_the_supervisor_has_truncated_has_another_identity(folder: Path) -> None:
    with LogFile(folder, "a") as log:
        before = log.identity
    (folder / "a.log.1").write_bytes(b"a3\n")

    with LogFile(folder, "a") as log:
        assert log.identity != before


@pytest.mark.parametrize("size", [1, 7, 1000, LONGEST_LINE, 3 * LONGEST_LINE + 5])
def test_backwards_the_same_lines_are_read(tmp_path: Path, size: int) -> None:
    text = b"".join(b"%d " % number * (size if number % 7 == 0 else 3) + b"\n" for number in range(20))
    (tmp_path / "a.log").write_bytes(text + b"end without line end")

    with LogFile(tmp_path, "a") as log:
        assert list(log.lines_before()) == list(log.lines())[::-1]


def test_backwards_a_hole_ends_the_log(tmp_path: Path) -> None:
    with (tmp_path / "a.log").open("wb") as file:
        file.seek(1 << 40)
        file.write(b"a2\na3\n")

    with LogFile(tmp_path, "a") as log:
        assert texts(list(log.lines_before())) == ["a3", "a2"]
