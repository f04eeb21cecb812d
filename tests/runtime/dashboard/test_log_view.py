"""The lines of several logs: order, filters, cursors, and the stream of new lines."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from infra_runtime.dashboard import log_view
from infra_runtime.dashboard.log_files import Position
from infra_runtime.dashboard.log_view import LogQueryError, Query, View


def write(folder: Path, name: str, *lines: tuple[float, str]) -> None:
    """Write a log and its index, with a time for each line."""
    size, index = 0, ""
    for time, text in lines:
        size += len(text.encode()) + 1
        index += f"{time} {size}\n"
    (folder / f"{name}.log").write_text("".join(f"{text}\n" for _, text in lines), encoding="utf-8")
    (folder / f"{name}.index").write_text(index, encoding="ascii")


def texts(view: View) -> list[str]:
    return [f"{line.service} {line.text}" for line in view.lines]


def test_the_lines_of_all_services_are_sorted_by_time(tmp_path: Path) -> None:
    write(tmp_path, "api", (1, "first"), (3, "third"))
    write(tmp_path, "db", (2, "second"), (4, "fourth"))

    view = log_view.page(tmp_path, Query())

    assert texts(view) == ["api first", "db second", "api third", "db fourth"]


def test_earlier_pages_have_each_line_once(tmp_path: Path) -> None:
    write(tmp_path, "api", *((number, f"a{number}") for number in range(0, 100, 2)))
    write(tmp_path, "db", *((number, f"d{number}") for number in range(1, 100, 5)))

    found: list[str] = []
    cursor = ""
    while True:
        view = log_view.page(tmp_path, Query(), cursor, 7)
        found = [*texts(view), *found]
        cursor = view.first
        if not view.has_earlier:
            break

    assert len(found) == len(set(found)) == 70
    assert found == texts(log_view.page(tmp_path, Query(), "", 1000))


def test_a_view_is_filtered_by_service_level_and_text(tmp_path: Path) -> None:
    write(tmp_path, "api", (1, "ERROR one"), (2, "INFO two"))
    write(tmp_path, "db", (3, "ERROR three"))

    assert texts(log_view.page(tmp_path, Query(services=("api",)))) == ["api ERROR one", "api INFO two"]
    assert texts(log_view.page(tmp_path, Query(level="error"))) == ["api ERROR one", "db ERROR three"]
    assert texts(log_view.page(tmp_path, Query(text="TWO"))) == ["api INFO two"]


def test_only_existing_services_are_read(tmp_path: Path) -> None:
    (tmp_path.parent / "secret.log").write_text("secret\n", encoding="utf-8")

    assert texts(log_view.page(tmp_path, Query(services=("../secret", "missing")))) == []


@pytest.mark.parametrize("cursor", ["x", "api:1", "api:-1:2", "api:1:2:3", "api:1:" + "9" * 30, "api:x:1"])
def test_a_cursor_that_is_not_valid_is_refused(cursor: str) -> None:
    with pytest.raises(LogQueryError):
        log_view.parse_cursor(cursor)


def test_a_cursor_is_read_again(tmp_path: Path) -> None:
    positions = {"api": Position(1, 2), "db-2": Position(3, 4)}

    assert log_view.parse_cursor(log_view.make_cursor(positions)) == positions


def test_a_stream_has_the_lines_that_are_new(tmp_path: Path) -> None:
    write(tmp_path, "api", (1, "old"))

    async def main() -> list[str]:
        views = log_view.follow(tmp_path, Query(text="x"), log_view.page(tmp_path, Query()).last)
        waiting = asyncio.ensure_future(anext(views))
        await asyncio.sleep(0)
        with (tmp_path / "api.log").open("a", encoding="utf-8") as file:
            file.write("new x\nnew y\n")
        (tmp_path / "later.log").write_text("later x\n", encoding="utf-8")
        found = texts(await asyncio.wait_for(waiting, 60))
        while len(found) < 2:
            found += texts(await asyncio.wait_for(anext(views), 60))
        await views.aclose()
        return found

    assert sorted(asyncio.run(main())) == ["api new x", "later later x"]
