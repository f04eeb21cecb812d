"""Read a log in both directions: lines, offsets, times, and what is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra_runtime.dashboard import log_files
from infra_runtime.dashboard.log_files import BLOCK, FOLLOWED, LONGEST_LINE, Line, Page, Position


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(folder: Path, content: bytes) -> Path:
    path = folder / "api.log"
    path.write_bytes(content)
    return path


def every(_: Line) -> bool:
    return True


def newest(folder: Path, count: int = 100, position: Position | None = None, matches: object = every) -> Page:
    return log_files.before(folder, "api", position, count, matches)


def texts(page: Page) -> list[str]:
    return [line.text for line in page.lines]


def test_the_newest_lines_are_in_the_order_of_the_file(folder: Path) -> None:
    write(folder, b"one\ntwo\nthree\n")

    page = newest(folder, 2)

    assert texts(page) == ["two", "three"]
    assert [(line.start, line.end) for line in page.lines] == [(4, 8), (8, 14)]
    assert page.has_earlier


def test_pages_before_a_page_have_each_line_once(folder: Path) -> None:
    lines = [f"line {number} {'x' * (number % 300)}" for number in range(2000)]
    write(folder, "".join(f"{line}\n" for line in lines).encode())

    found: list[str] = []
    position = None
    while True:
        page = newest(folder, 300, position)
        found = [*texts(page), *found]
        position = page.first
        if not page.has_earlier:
            break

    assert found == lines


def test_a_filter_searches_earlier_blocks(folder: Path) -> None:
    write(folder, b"wanted\n" + b"other\n" * 40_000)

    page = newest(folder, 5, matches=lambda line: "wanted" in line.text)

    assert texts(page) == ["wanted"]
    assert not page.has_earlier


def test_a_line_of_ten_megabytes_is_cut_and_the_lines_around_it_are_shown(folder: Path) -> None:
    write(folder, b"before\n" + b"x" * (7 << 20) + b"\nafter\n")

    page = newest(folder)

    assert [text[:10] for text in texts(page)] == ["before", "x" * 10, "after"]
    assert [line.is_cut for line in page.lines] == [False, True, False]
    assert len(page.lines[1].text) <= LONGEST_LINE


def test_bytes_that_are_not_utf8_are_replaced(folder: Path) -> None:
    write(folder, b"a\xff\xfeb\r\n")

    assert texts(newest(folder)) == ["a\ufffd\ufffdb"]


def test_the_dropped_beginning_of_a_log_is_not_shown(folder: Path) -> None:
    write(folder, bytes(BLOCK * 2) + b"infra: dropped\nkept\n")

    page = newest(folder)

    assert texts(page) == ["infra: dropped", "kept"]
    assert not page.has_earlier


def test_an_incomplete_line_is_shown_when_it_is_complete(folder: Path) -> None:
    path = write(folder, b"one\ntw")

    page = newest(folder)
    path.write_bytes(b"one\ntwo\n")

    assert texts(page) == ["one"]
    assert texts(log_files.following(folder, "api", page.last)) == ["two"]


def test_new_lines_follow_a_position(folder: Path) -> None:
    path = write(folder, b"one\n")
    position = log_files.end(folder, "api")

    with path.open("ab") as file:
        file.write(b"two\nthree\n")
    page = log_files.following(folder, "api", position)

    assert texts(page) == ["two", "three"]
    assert texts(log_files.following(folder, "api", page.last)) == []


def test_a_log_that_was_truncated_is_read_from_its_beginning(folder: Path) -> None:
    path = write(folder, b"a long line before\n")
    position = log_files.end(folder, "api")

    path.write_bytes(b"new\n")

    assert texts(log_files.following(folder, "api", position)) == ["new"]


def test_lines_that_arrive_too_fast_are_skipped_and_counted(folder: Path) -> None:
    path = write(folder, b"")
    position = log_files.end(folder, "api")
    path.write_bytes(b"0123456789\n" * 100_000)

    page = log_files.following(folder, "api", position)

    assert page.skipped + sum(line.end - line.start for line in page.lines) == 1_100_000
    assert sum(line.end - line.start for line in page.lines) <= FOLLOWED
    assert set(texts(page)) == {"0123456789"}


def test_a_line_has_the_time_of_the_index(folder: Path) -> None:
    write(folder, b"one\ntwo\nthree\n")
    (folder / "api.index").write_text("100.5 4\n200.5 8\nbroken\n", encoding="ascii")

    first, second, third = newest(folder).lines

    assert (first.time, second.time) == (100.5, 200.5)
    assert third.time > 200.5


def test_an_indented_line_has_the_level_of_the_line_before(folder: Path) -> None:
    write(folder, b"ERROR failed\n  File x\nfine\n")

    assert [line.level for line in newest(folder).lines] == ["error", "error", ""]


def test_a_missing_log_has_no_lines(folder: Path) -> None:
    assert texts(newest(folder)) == []
    assert texts(log_files.following(folder, "api", Position(0, 0))) == []
