"""`infra runtime logs`: the lines of the log files, with times from their indexes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fakes.command_line import CommandLine
from infra_cli.file_follower import Follower
from infra_cli.logfiles import Line, lines, merged, moment

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


def test_since_leaves_out_what_was_written_before(folder: Path) -> None:
    assert texts(list(merged(folder, {"a": None, "b": None}, since=NOON + 10))) == ["a2", "b2", "a3"]
    assert texts(list(lines(folder, "a", since=NOON + 21))) == []


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

    assert {line.time for line in lines(folder, "a")} == {(folder / "a.log").stat().st_mtime}


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("5m", 300), ("5min", 300), ("1.5h", 5400), ("2d", 172_800)]
)
def test_a_span_is_counted_back_from_now(text: str, seconds: float) -> None:
    assert moment(text, NOON) == NOON - seconds


def test_a_time_of_day_is_a_time_of_today() -> None:
    assert 0 <= (moment("23:59:59", NOON) - moment("0:00", NOON)) - 86_399 <= 3600


def test_an_invalid_time_is_an_error(infra: CommandLine) -> None:
    answer = infra("runtime", "logs", "--since", "yesterday")

    assert answer.code == 2
    assert "use a time such as 30s, 5m" in answer.err


# --- following -------------------------------------------------------------------------------------


def test_a_follower_returns_complete_lines_once(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("old\n")
    follower = Follower([path])
    follower.skip()
    path.write_text("old\nnew\nhal")
    new_lines = follower.new()
    path.write_text("old\nnew\nhalf\n")

    assert new_lines == [(path, "new")]
    assert follower.new() == [(path, "half")]


def test_a_follower_skips_a_hole(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"one\n")
    follower = Follower([log])
    assert [text for _, text in follower.new()] == ["one"]
    with log.open("r+b") as file:
        file.truncate(0)
        file.seek(1 << 40)
        file.write(b"two\n")

    assert [text for _, text in follower.new()] == ["two"]
    assert follower.new() == []


def test_an_incomplete_line_is_not_skipped(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("whole\nhal")
    follower = Follower([path])

    assert follower.skip() == {path: 6}


def test_a_file_that_is_removed_during_the_read_has_no_new_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra_cli.file_follower._size", lambda _path: 7)

    assert Follower([tmp_path / "gone.log"]).new() == []


def test_a_file_that_was_rotated_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("a long line\n")
    follower = Follower([path])
    follower.skip()
    path.write_text("short\n")

    assert follower.new() == [(path, "short")]


# --- the command -----------------------------------------------------------------------------------


def test_each_line_begins_with_its_service(open_shop: CommandLine) -> None:
    answer = open_shop("runtime", "logs", "api", "worker")

    assert any(line.startswith("api    | server on ") for line in answer.out.splitlines())
    assert "worker | at work" in answer.out
    assert "db " not in answer.out


def test_grep_selects_lines_with_a_match(open_shop: CommandLine) -> None:
    assert open_shop("runtime", "logs", "--grep", "at w.rk").out == "worker | at work\n"
    assert open_shop("runtime", "logs", "--grep", "(").code == 2


def test_logs_as_json_are_lines_with_these_keys(open_shop: CommandLine) -> None:
    record = json.loads(open_shop("runtime", "logs", "worker", "--json").out)

    assert record.keys() == {"time", "service", "line"}
    assert record["line"] == "at work"


def test_logs_of_a_stopped_stack_can_be_read(shop: CommandLine) -> None:
    shop("runtime", "up", "--detach", "db")
    shop("runtime", "down")

    assert "server on" in shop("runtime", "logs").out
    assert shop("runtime", "logs", "missing").code == 6


def test_followed_lines_are_printed_when_they_are_written(shop: CommandLine) -> None:
    shop("runtime", "up", "--detach", "db")
    logs = shop.start("runtime", "logs", "db", "--follow", "--grep", "server")
    logs.wait_for("server on")
    shop("runtime", "restart", "db")
    logs.wait_for("\ndb | server on")
    logs.interrupt()

    assert logs.answer().out.count("server on") == 2
