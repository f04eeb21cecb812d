"""`infra runtime logs`: the lines of the log files that its options select."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fakes.command_line import CommandLine
from infra_cli.file_follower import Follower


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


def test_a_level_leaves_out_lines_without_a_level(open_shop: CommandLine) -> None:
    assert open_shop("runtime", "logs", "worker", "--level", "debug").out == ""
    assert open_shop("runtime", "logs", "--level", "loud").code == 2


def test_until_leaves_out_later_lines(open_shop: CommandLine) -> None:
    assert open_shop("runtime", "logs", "worker", "--until", "1h").out == ""
    assert open_shop("runtime", "logs", "worker", "--until", "soon").code == 2


def test_a_stack_without_a_log_forwarder_has_no_stream(open_shop: CommandLine) -> None:
    answer = open_shop("runtime", "logs", "--from", "stream")

    assert answer.code == 1
    assert "no service of the stack is a log forwarder" in answer.err


def test_logs_as_json_are_lines_with_these_keys(open_shop: CommandLine) -> None:
    record = json.loads(open_shop("runtime", "logs", "worker", "--json").out)

    assert record.keys() == {*("time", "service", "line", "level", "ids", "message", "fields", "position")}
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
