"""The journal: complete lines, also after crashes and on full disks."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest
from hypothesis import settings

from infra_runtime.data_directory import journal
from infra_runtime.data_directory.journal import Journal, last_run, read, starts, traces
from infra_runtime.messages import Event


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "events.jsonl")


def up(boot: str | None = None, **fields: str) -> Event:
    return Event(event="up", boot=journal.boot() if boot is None else boot, **fields)


def spawned(pid: int) -> Event:
    return Event(event="spawned", service="web", pid=pid, started=f"start of {pid}")


def test_events_are_read_as_they_were_written(path) -> None:
    events = Journal(path, now=lambda: 12.5)

    events.write("up", pid=7)
    events.write("ready", "web", reason="")
    events.close()

    assert [event.to_json() for event in read(path)] == [
        {"time": 12.5, "event": "up", "pid": 7},
        {"time": 12.5, "event": "ready", "service": "web", "reason": ""},
    ]


def test_a_journal_has_mode_0600(path) -> None:
    Journal(path).close()

    assert Path(path).stat().st_mode & 0o777 == 0o600


def test_a_listener_gets_all_events_until_it_is_removed(path) -> None:
    events, heard = Journal(path), []
    events.listeners.add(heard.append)

    events.write("up")
    events.listeners.discard(heard.append)
    events.write("down")

    assert [event["event"] for event in heard] == ["up"]
    events.close()


def test_a_listener_may_remove_itself(path) -> None:
    events = Journal(path)

    def once(_record: dict[str, object]) -> None:
        events.listeners.discard(once)

    events.listeners.add(once)
    events.write("up")

    assert not events.listeners
    events.close()


def test_an_incomplete_line_is_left_out_and_the_next_one_is_complete(path) -> None:
    Path(path).write_text('{"time":1,"event":"up"}\n{"time":2,"eve')

    after = Journal(path)
    after.write("up", again=True)
    after.close()

    assert [event.record.get("again") for event in read(path)] == [None, True]


def test_on_a_full_disk_only_the_event_is_lost(path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("/dev/full is missing")
    events, heard = Journal(path), []
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, events._file, inheritable=False)
    os.close(full)
    events.listeners.add(heard.append)

    events.write("ready", "web")

    assert heard[0]["event"] == "ready"
    events.close()


@pytest.mark.parametrize(
    "line",
    ["", "nonsense", "[1]", "7", '"text"', "{}", '{"event":7}', '{"event":"exited","pid":"7"}', "\x00\xff"],
)
def test_lines_without_an_event_are_left_out(path, line) -> None:
    Path(path).write_text(f'{{"event":"up"}}\n{line}\n{{"event":"down"}}\n', encoding="utf-8")

    assert [event.event for event in read(path)] == ["up", "down"]


def test_a_missing_journal_has_no_events(path) -> None:
    assert read(path) == []


def test_the_traces_contain_processes_that_have_exited() -> None:
    """Members of their sessions may keep running."""
    events = [up(), spawned(1), spawned(2), Event(event="exited", pid=1)]

    assert traces(events).roots == {1: "start of 1", 2: "start of 2"}


def test_the_last_run_begins_with_its_supervisor() -> None:
    assert last_run([Event(event="ready")]) == []
    assert last_run([up(boot="1"), up(boot="2"), Event(event="down")])[0].boot == "2"


def test_the_newest_starts_are_read_from_the_journal_and_the_renamed_one(path) -> None:
    lines = [
        '{"time":%d,"event":"up"}',
        '{"time":9,"event":"ready","reason":"\\"event\\":\\"up\\""}',
        '{"cut',
    ]
    renamed = Path(path).with_name("events.1.jsonl")
    renamed.write_text("".join(f"{line}\n" for line in (lines[0] % 1, lines[0] % 2, *lines[1:])))
    Path(path).write_text(f"{lines[0] % 3}\n\xff\n{lines[0] % 4}\n")

    assert starts(path, 3) == [4.0, 3.0, 2.0]
    assert starts(path, 0) == []


def test_a_missing_journal_has_no_starts(path) -> None:
    assert starts(path, 3) == []


def test_a_stack_that_stopped_completely_has_no_traces() -> None:
    assert not traces([up(token="one"), spawned(1), Event(event="down")])


def test_the_group_of_a_stack_that_stopped_is_known_until_the_next_start() -> None:
    """The supervisor may have been killed between its `down` and the removal of the group."""
    events = [up(token="one", cgroup="/cg/infra-one"), Event(event="down")]

    assert traces(events).groups == (("/cg/infra-one", "one"),)
    assert traces([*events, up(token="two")]).groups == ()


def test_a_stack_that_left_something_when_it_stopped_has_traces() -> None:
    events = [up(token="one"), spawned(1), Event(event="down", left=("process 1",))]

    assert traces(events).tokens == ("one",)


def test_processes_of_all_earlier_runs_are_included() -> None:
    """A supervisor in between may have been killed before it cleaned up."""
    marks = traces([up(token="one", cgroup="/cg/infra-one"), spawned(1), up(token="two"), spawned(2)])

    assert marks.roots == {1: "start of 1", 2: "start of 2"}
    assert marks.tokens == ("one", "two")
    assert marks.groups == (("/cg/infra-one", "one"),)


def test_an_engine_keeps_containers_also_after_a_reboot() -> None:
    events = [up(boot="another", token="one"), Event(event="spawned", pid=1, engine="/usr/bin/docker")]

    assert traces(events).engines == (("/usr/bin/docker", "one"),)
    assert traces([*events, up(token="two")]).engines == (("/usr/bin/docker", "one"),)
    assert not traces([*events, Event(event="down")])


def test_pids_of_another_boot_of_the_machine_are_ignored() -> None:
    assert not traces([up(boot="another", token="one"), spawned(1)])


def test_a_large_journal_is_renamed(path, monkeypatch) -> None:
    monkeypatch.setattr(journal, "ROTATE_AT", 100)
    Path(path).write_text(json.dumps({"event": "x" * 100}) + "\n")

    journal.rotate(path)

    assert not Path(path).exists()
    assert Path(path).with_name("events.1.jsonl").exists()


def test_a_small_journal_is_not_renamed_and_a_missing_one_is_not_an_error(path) -> None:
    journal.rotate(path)
    Path(path).write_text("{}\n")

    journal.rotate(path)

    assert Path(path).exists()


def test_the_recent_events_have_the_last_run_and_all_traces_of_the_journal(
    path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "TAIL", 200)
    numbers = random.Random(5)
    choices = (
        *("up", "up", "early-start", "spawned", "spawned", "down", "down", "down left"),
        *("exited", "reconciled", "cut"),
    )
    shorter, rounds = 0, 4 * settings().max_examples
    for _ in range(rounds):
        Path(path).unlink(missing_ok=True)
        events = Journal(path)
        for number in range(numbers.randrange(40)):
            match numbers.choice(choices):
                case "up":
                    known = numbers.choice((journal.boot(), "earlier"))
                    events.write("up", token=f"t{number}", boot=known, cgroup=numbers.choice(("", "/g")))
                case "spawned":
                    events.write("spawned", "web", pid=number, started="now", reason='"event":"down"')
                case "early-start":
                    events.write("early-start", "web", pid=number, started="now")
                case "down":
                    events.write("down", left=[])
                case "down left":
                    events.write("down", left=["process 7"])
                case "cut":
                    with Path(path).open("ab") as file:
                        file.write(b'{"time":1,"event":"do')
                    events.close()
                    events = Journal(path)
                case name:
                    events.write(name)
        events.close()
        everything, recent = read(path), journal.recent(path)

        assert recent == everything[len(everything) - len(recent) :]
        assert traces(recent) == journal.recent_traces(path) == traces(everything)
        assert last_run(recent) == last_run(everything)
        shorter += len(recent) < len(everything)
    assert shorter > rounds // 10


def test_the_recent_events_of_a_long_journal_are_those_of_its_last_two_runs(path) -> None:
    events = Journal(path)
    for number in range(1000):
        events.write("up", token=str(number))
        events.write("down", left=[])
    events.close()

    assert [event.token for event in journal.recent(path)] == ["999", ""]


def test_a_missing_journal_has_no_recent_events(path) -> None:
    assert journal.recent(path) == []
    assert not journal.recent_traces(path)
