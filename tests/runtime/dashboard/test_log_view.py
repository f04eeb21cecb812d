"""The lines of several logs: order, filters, cursors, and the stream of new lines."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra_runtime.dashboard import log_view
from infra_runtime.dashboard.log_query import Query
from infra_runtime.dashboard.log_view import LONGEST_TEXT, Place, View
from infra_runtime.dashboard.parameters import ParameterError, iso
from infra_runtime.logs.files import BLOCK, LogFile

NOON = 1_780_000_000.0


def write(folder: Path, name: str, *lines: tuple[float, str]) -> None:
    """Write a log and its index, with a time for each line."""
    size, index = 0, ""
    for time, text in lines:
        size += len(text.encode()) + 1
        index += f"{time} {size}\n"
    (folder / f"{name}.log").write_text("".join(f"{text}\n" for _, text in lines), encoding="utf-8")
    (folder / f"{name}.index").write_text(index, encoding="ascii")


def raw(folder: Path, content: bytes, name: str = "api") -> Path:
    """Write a log without an index."""
    path = folder / f"{name}.log"
    path.write_bytes(content)
    return path


def texts(view: View) -> list[str]:
    return [f"{entry.line.service} {entry.line.text}" for entry in view.lines]


def lines(view: View) -> list[str]:
    return [entry.line.text for entry in view.lines]


def utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def all_pages(folder: Path, query: Query, count: int, most_bytes: int = log_view.SCANNED) -> list[str]:
    """Return the lines of all pages, from the newest page to the oldest."""
    texts: list[str] = []
    cursor = ""
    while True:
        view = log_view.page(folder, query, cursor, count, most_bytes=most_bytes)
        texts = [*lines(view), *texts]
        cursor = view.first
        if not view.has_earlier:
            return texts


# --- pages -----------------------------------------------------------------------------------------


def test_the_lines_of_all_services_are_sorted_by_time(tmp_path: Path) -> None:
    write(tmp_path, "api", (1, "first"), (3, "third"))
    write(tmp_path, "db", (2, "second"), (4, "fourth"))

    view = log_view.page(tmp_path, Query())

    assert texts(view) == ["api first", "db second", "api third", "db fourth"]


def test_the_newest_lines_are_shown(tmp_path: Path) -> None:
    raw(tmp_path, b"one\ntwo\nthree\n")

    view = log_view.page(tmp_path, Query(), "", 2)

    assert lines(view) == ["two", "three"]
    assert view.has_earlier
    assert not log_view.page(tmp_path, Query(), "", 3).has_earlier


def test_earlier_pages_have_each_line_once(tmp_path: Path) -> None:
    write(tmp_path, "api", *((number, f"a{number}") for number in range(0, 100, 2)))
    write(tmp_path, "db", *((number, f"d{number}") for number in range(1, 100, 5)))

    texts = all_pages(tmp_path, Query(), 7)

    assert len(texts) == len(set(texts)) == 70
    assert texts == lines(log_view.page(tmp_path, Query(), "", 1000))


def test_pages_of_a_long_log_have_each_line_once(tmp_path: Path) -> None:
    expected = [f"line {number} {'x' * (number % 300)}" for number in range(2000)]
    raw(tmp_path, "".join(f"{line}\n" for line in expected).encode())

    assert all_pages(tmp_path, Query(), 300) == expected


def test_earlier_pages_continue_in_the_log_before_a_truncation(tmp_path: Path) -> None:
    raw(tmp_path, b"one\ntwo\n").rename(tmp_path / "api.log.1")
    raw(tmp_path, b"three\nfour\n")

    assert all_pages(tmp_path, Query(), 1) == ["one", "two", "three", "four"]


def test_a_cursor_in_a_file_that_was_replaced_has_no_earlier_lines(tmp_path: Path) -> None:
    raw(tmp_path, b"new\n")

    view = log_view.page(tmp_path, Query(), "api:1f:400")

    assert (lines(view), view.has_earlier) == ([], False)


def test_the_further_lines_of_a_message_are_marked(tmp_path: Path) -> None:
    raw(tmp_path, b"Traceback (most recent call last):\n  File x\nnext\n")

    items = [log_view.line_to_json(entry) for entry in log_view.page(tmp_path, Query()).lines]

    assert [item["continues"] for item in items] == [False, True, False]


def test_an_incomplete_line_is_shown_when_it_is_complete(tmp_path: Path) -> None:
    path = raw(tmp_path, b"one\ntw")
    view = log_view.page(tmp_path, Query())

    path.write_bytes(b"one\ntwo\n")

    assert lines(view) == ["one"]
    assert followed(tmp_path, view.last, 1) == ["two"]


def test_a_line_of_seven_megabytes_is_cut_and_the_lines_around_it_are_shown(tmp_path: Path) -> None:
    raw(tmp_path, b"before\n" + b"x" * 7_000_000 + b"\nafter\n")

    items = [log_view.line_to_json(entry) for entry in log_view.page(tmp_path, Query()).lines]

    assert (items[0]["text"], items[-1]["text"]) == ("before", "after")
    assert (items[0]["cut"], items[1]["cut"], items[-1]["cut"]) == (False, True, False)
    assert max(len(str(item["text"])) for item in items) == LONGEST_TEXT


def test_a_line_of_ten_megabytes_is_shown_in_pages_of_bounded_size(tmp_path: Path) -> None:
    raw(tmp_path, b"before\n" + b"x" * 10_000_000 + b"\nafter\n")

    view = log_view.page(tmp_path, Query(), "", 1000)
    texts = all_pages(tmp_path, Query(), 1000)

    assert len(view.lines) < 200
    assert lines(view)[-1] == "after"
    assert (texts[0], texts[-1]) == ("before", "after")
    assert sum(map(len, texts[1:-1])) == 10_000_000


def test_bytes_that_are_not_utf8_are_replaced(tmp_path: Path) -> None:
    raw(tmp_path, b"caf\xe9 \xff\xfe\x00\n")

    (item,) = (log_view.line_to_json(entry) for entry in log_view.page(tmp_path, Query()).lines)

    assert json.dumps(item["text"], ensure_ascii=False).encode().decode() == '"caf\ufffd \ufffd\ufffd\\u0000"'


def test_a_view_is_filtered_by_service_level_and_text(tmp_path: Path) -> None:
    write(tmp_path, "api", (1, "ERROR one"), (2, "INFO two"))
    write(tmp_path, "db", (3, "ERROR three"))

    assert texts(log_view.page(tmp_path, Query(services=("api",)))) == ["api ERROR one", "api INFO two"]
    assert texts(log_view.page(tmp_path, Query(level="error"))) == ["api ERROR one", "db ERROR three"]
    assert texts(log_view.page(tmp_path, Query(text="TWO"))) == ["api INFO two"]


def test_a_text_is_not_a_pattern(tmp_path: Path) -> None:
    raw(tmp_path, b"a.c\nabc\n")

    assert lines(log_view.page(tmp_path, Query(text="A.C"))) == ["a.c"]


def test_a_long_text_is_searched_in_a_time_proportional_to_the_length_of_the_line(tmp_path: Path) -> None:
    """With a comparison at each position, this test would take minutes."""
    raw(tmp_path, b"x" * 2_000_000 + b"\n")

    assert lines(log_view.page(tmp_path, Query(text="X" * 30_000 + "y"))) == []


def test_a_view_is_filtered_by_a_regular_expression_and_a_text(tmp_path: Path) -> None:
    raw(tmp_path, b"user=1 slow\nuser=x slow\nuser=12 fast\n")

    assert lines(log_view.page(tmp_path, Query(grep=r"user=\d+ "))) == ["user=1 slow", "user=12 fast"]
    assert lines(log_view.page(tmp_path, Query(grep=r"user=\d+", text="SLOW"))) == ["user=1 slow"]
    assert lines(log_view.page(tmp_path, Query(grep="(?i)FAST$"))) == ["user=12 fast"]


def test_values_of_fields_are_included_and_excluded(tmp_path: Path) -> None:
    first, second = '{"msg": "a", "user": "ann"}', '{"msg": "b", "user": "bob"}'
    write(tmp_path, "api", (1, first), (2, second), (3, "plain user=ann"))
    write(tmp_path, "db", (4, "plain"))

    def shown(**query: tuple[str, ...]) -> list[str]:
        return texts(log_view.page(tmp_path, Query(**query)))

    assert shown(include=("user=ann",)) == [f"api {first}"]
    assert shown(include=("user=ann", "user=bob")) == [f"api {first}", f"api {second}"]
    assert shown(include=("user=ann", "msg=b")) == []
    assert shown(exclude=("user=ann", "service=db")) == [f"api {second}", "api plain user=ann"]
    assert shown(include=("service=db",)) == ["db plain"]
    assert shown(include=("text=PLAIN",), exclude=("text=user",)) == ["db plain"]


def test_the_further_lines_of_an_excluded_message_are_excluded(tmp_path: Path) -> None:
    raw(tmp_path, b"ERROR failed\n  File x\nINFO fine\n")

    query = Query(exclude=("level=error",))

    assert lines(log_view.page(tmp_path, query)) == ["INFO fine"]


def test_a_view_is_filtered_by_time(tmp_path: Path) -> None:
    write(tmp_path, "api", *((NOON + number, f"line {number}") for number in range(10)))
    since, until = utc(NOON + 3), utc(NOON + 5)

    view = log_view.page(tmp_path, Query(since=since, until=until))

    assert lines(view) == ["line 3", "line 4", "line 5"]
    assert not view.has_earlier
    assert all_pages(tmp_path, Query(since=since, until=until), 1) == ["line 3", "line 4", "line 5"]


def test_a_view_is_filtered_by_correlation_id(tmp_path: Path) -> None:
    write(tmp_path, "api", (1, '{"event": "paid", "correlation_id": "c-1"}'), (2, "other"))
    write(tmp_path, "db", (3, "paid for c-1"), (4, "paid for c-12"))

    view = log_view.page(tmp_path, Query(correlation="c-1"))

    assert texts(view) == ['api {"event": "paid", "correlation_id": "c-1"}', "db paid for c-1"]


def test_the_further_lines_of_a_message_have_its_level(tmp_path: Path) -> None:
    raw(tmp_path, b"ERROR failed\n  File x\nfine\n")

    view = log_view.page(tmp_path, Query())

    assert [entry.record.level for entry in view.lines] == ["error", "error", ""]
    assert lines(log_view.page(tmp_path, Query(level="error"))) == ["ERROR failed", "  File x"]


def test_a_filter_searches_earlier_blocks(tmp_path: Path) -> None:
    raw(tmp_path, b"wanted\n" + (b"other" * 20 + b"\n") * (2 * BLOCK // 100))

    view = log_view.page(tmp_path, Query(text="wanted"), "", 5)

    assert lines(view) == ["wanted"]
    assert not view.has_earlier


def test_a_search_reads_a_limited_part_of_a_log_and_continues_there(tmp_path: Path) -> None:
    raw(tmp_path, b"ERROR wanted\n  detail\n" + b"other line\n" * 40)

    view = log_view.page(tmp_path, Query(level="error"), most_bytes=100)

    assert (lines(view), view.has_earlier) == ([], True)
    assert all_pages(tmp_path, Query(level="error"), 5, most_bytes=100) == ["ERROR wanted", "  detail"]


def test_a_limited_search_does_not_end_between_the_lines_of_a_message(tmp_path: Path) -> None:
    messages = "".join(f"ERROR {number}\n  detail {number}\n" for number in range(20))
    raw(tmp_path, messages.encode())

    assert all_pages(tmp_path, Query(level="error"), 100, most_bytes=40) == messages.splitlines()


def test_only_existing_services_are_read(tmp_path: Path) -> None:
    (tmp_path.parent / "secret.log").write_text("secret\n", encoding="utf-8")

    assert texts(log_view.page(tmp_path, Query(services=("../secret", "missing")))) == []


@pytest.mark.parametrize(
    "query",
    [
        {"grep": "("},
        {"grep": r"(a)\1"},
        {"level": "loud"},
        {"since": "yesterday"},
        {"until": "25:00"},
        {"since": "0001-01-01x"},
        {"include": ("level",)},
        {"exclude": ("=x",)},
        {"exclude": ("name=" + "x" * 500,)},
        {"include": ("a=b",) * 51},
    ],
)
def test_a_filter_that_is_not_valid_is_refused(query: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        Query(**query)


@pytest.mark.parametrize("cursor", ["x", "api:1", "api:1:-2", "api:1:x", "api:1:" + "9" * 30, "api::1"])
def test_a_cursor_that_is_not_valid_is_refused(cursor: str) -> None:
    with pytest.raises(ParameterError):
        log_view.parse_cursor(cursor)


def test_a_cursor_is_read_again() -> None:
    places = {"api": Place("1f", 2), "db-2": Place("3-9a", 4)}

    assert log_view.parse_cursor(log_view.make_cursor(places)) == places


# --- the stream ------------------------------------------------------------------------------------


def followed(
    folder: Path,
    cursor: str,
    count: int,
    change: Callable[[], object] = lambda: None,
    query: Query | None = None,
) -> list[str]:
    """Return the first new lines of a stream; `change` is called after the stream has started."""
    return [line for view in views(folder, cursor, count, change, query) for line in lines(view)]


def views(
    folder: Path,
    cursor: str,
    count: int,
    change: Callable[[], object] = lambda: None,
    query: Query | None = None,
) -> list[View]:
    async def main() -> list[View]:
        stream: AsyncGenerator[View, None] = log_view.follow(folder, query or Query(), cursor)
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        change()
        views = [await asyncio.wait_for(waiting, 60)]
        while sum(len(view.lines) for view in views) < count:
            views.append(await asyncio.wait_for(anext(stream), 60))
        await stream.aclose()
        return views

    return asyncio.run(main())


def test_a_stream_has_the_lines_that_are_new(tmp_path: Path) -> None:
    write(tmp_path, "api", (1, "old"))

    def change() -> None:
        with (tmp_path / "api.log").open("a", encoding="utf-8") as file:
            file.write("new x\nnew y\n")
        (tmp_path / "later.log").write_text("later x\n", encoding="utf-8")

    texts = followed(tmp_path, log_view.page(tmp_path, Query()).last, 2, change, Query(text="x"))

    assert sorted(texts) == ["later x", "new x"]


def test_a_stream_without_a_cursor_begins_at_the_end(tmp_path: Path) -> None:
    path = raw(tmp_path, b"old\n")

    def change() -> None:
        with path.open("ab") as file:
            file.write(b"new\n")

    assert followed(tmp_path, "", 1, change) == ["new"]


def test_a_log_that_was_truncated_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = raw(tmp_path, b"a long line before\n")
    cursor = log_view.page(tmp_path, Query()).last

    path.write_bytes(b"new\n")

    assert followed(tmp_path, cursor, 1) == ["new"]


def test_lines_that_arrive_too_fast_are_skipped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_view, "MOST_LINES", 100)
    monkeypatch.setattr(log_view, "FOLLOWED", 11_000)
    path = raw(tmp_path, b"")
    with LogFile(tmp_path, "api") as log:
        cursor = f"api:{log.identity}:0"
    path.write_bytes(b"0123456789\n" * 2000)

    (view,) = views(tmp_path, cursor, 1)

    assert len(view.lines) == 100
    assert set(lines(view)) == {"0123456789"}
    assert view.skipped + 100 * 11 == path.stat().st_size


@pytest.mark.parametrize("fraction", [0.0004, 0.0006])
def test_a_line_without_an_index_is_found_by_the_time_that_it_has(tmp_path: Path, fraction: float) -> None:
    path = raw(tmp_path, b"one\n")
    os.utime(path, (NOON + fraction, NOON + fraction))
    ((shown, _),) = log_view.page(tmp_path, Query()).lines

    assert lines(log_view.page(tmp_path, Query(until=iso(shown.time)))) == ["one"]
