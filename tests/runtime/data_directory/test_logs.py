"""The logs of the services: index, rotation, and last lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra_runtime.data_directory import logs
from infra_runtime.data_directory.logs import Logs, tail


class Clock:
    """A time that passes when it is told to."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path, clock: Clock) -> Logs:
    return Logs(str(tmp_path / "logs"), now=clock)


def write(folder: Logs, text: str) -> None:
    with Path(folder.path("web")).open("a") as file:
        file.write(text)


def index(folder: Logs) -> list[str]:
    return Path(folder.folder, "web.index").read_text().splitlines()


def test_a_missing_log_is_empty(folder) -> None:
    assert folder.size("web") == 0
    assert folder.tail("web") == []


def test_the_index_contains_times_and_sizes(folder, clock) -> None:
    write(folder, "one\n")
    folder.update(["web"])
    clock.time = 101.5
    write(folder, "two\n")
    folder.update(["web"])

    assert index(folder) == ["100.000 4", "101.500 8"]


def test_a_log_of_the_same_size_adds_no_line_to_the_index(folder, clock) -> None:
    write(folder, "one\n")
    folder.update(["web"])
    clock.time = 200.0
    folder.update(["web"])

    assert len(index(folder)) == 1


def test_a_large_log_is_rotated_while_a_process_writes_to_it(folder, monkeypatch) -> None:
    monkeypatch.setattr(logs, "ROTATE_AT", 10)
    with Path(folder.path("web")).open("a") as child:
        child.write("much too much\n")
        child.flush()

        folder.update(["web"])
        child.write("next\n")

    old = Path(folder.path("web") + ".1")
    assert old.read_text() == "much too much\n"
    assert old.stat().st_mode & 0o777 == 0o600
    assert Path(folder.path("web")).read_text() == "next\n"


def test_a_rotation_starts_a_new_index(folder, monkeypatch) -> None:
    monkeypatch.setattr(logs, "ROTATE_AT", 10)
    write(folder, "much too much\n")
    folder.update(["web"])
    write(folder, "next\n")
    folder.update(["web"])

    assert index(folder) == ["100.000 5"]
    assert Path(folder.folder, "web.index.1").read_text() == "100.000 14\n"


def test_a_full_disk_does_not_prevent_the_index_of_another_log(folder, clock) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("/dev/full is missing")
    Path(folder.folder, "full.index").symlink_to("/dev/full")
    Path(folder.path("full")).write_text("something\n")
    write(folder, "one\n")

    folder.update(["full", "web"])

    assert index(folder) == ["100.000 4"]


def test_a_tail_has_only_lines_of_the_current_run(folder) -> None:
    write(folder, "before\n")
    mark = folder.size("web")
    write(folder, "".join(f"line {number}\n" for number in range(20)))

    assert folder.tail("web", lines=2, since=mark) == ["line 18", "line 19"]
    assert folder.tail("web", lines=99, since=mark)[0] == "line 0"


def test_a_tail_after_a_rotation_reads_from_the_start_of_the_file(folder) -> None:
    write(folder, "short\n")

    assert folder.tail("web", since=5000) == ["short"]


def test_a_tail_reads_a_bounded_part_of_a_huge_log(tmp_path) -> None:
    path = tmp_path / "huge.log"
    path.write_text("x" * 5_000_000)

    [line] = tail(str(path), 1)

    assert len(line) == logs.TAIL_BYTES


def test_a_tail_accepts_bytes_that_are_not_utf8(tmp_path) -> None:
    path = tmp_path / "binary.log"
    path.write_bytes(b"\xff\x00 broken\nfine\n")

    assert tail(str(path), 2)[1] == "fine"


def test_the_folder_of_the_logs_has_mode_0700(folder) -> None:
    assert Path(folder.folder).stat().st_mode & 0o777 == 0o700
