"""The logs of the services: index, bounds, and last lines."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from infra_runtime.data_directory import logs
from infra_runtime.data_directory.logs import Logs, tail
from infra_runtime.errors import ConfigurationError
from infra_runtime.host import sparse_file


class Clock:
    """A clock whose time changes only when the test changes it."""

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


def flood(folder: Logs, size: int, name: str = "web") -> None:
    """Write lines of 100 bytes, each with its number."""
    with Path(folder.path(name)).open("a") as file:
        file.writelines(f"{number:098} \n" for number in range(size // 100))


def space(folder: Logs, name: str = "web") -> int:
    """Return the bytes that a log occupies."""
    return Path(folder.path(name)).stat().st_blocks * 512


def kept(folder: Logs, name: str = "web") -> list[str]:
    return Path(folder.path(name)).read_bytes().lstrip(b"\0").decode().splitlines()


@pytest.fixture
def small(tmp_path: Path, clock: Clock) -> Logs:
    """Logs with a limit of 200,000 bytes for each, and 400,000 bytes for all."""
    return Logs(str(tmp_path / "logs"), now=clock, limit=200_000, total=400_000)


def test_the_beginning_of_a_large_log_becomes_a_hole_while_a_process_writes_to_it(small) -> None:
    with Path(small.path("web")).open("a") as child:
        flood(small, 1_000_000)
        size = small.size("web")

        small.update(["web"])
        child.write("next\n")

    first, second, *_, last = kept(small)
    assert small.size("web") == size + 5
    assert space(small) <= 200_000
    assert first.strip() == f"infra: the first {small.dropped('web')} bytes of this log were dropped"
    assert second.strip().isdecimal()
    assert last == "next"
    assert not Path(small.path("web") + ".1").exists()


def test_a_log_is_bounded_again_and_again(small, clock) -> None:
    for _ in range(20):
        flood(small, 300_000)
        clock.time += 1
        small.update(["web"])

        assert space(small) <= 200_000
    assert kept(small)[0].split()[3] == str(small.dropped("web"))
    assert sum("dropped" in line for line in kept(small)) == 1


def test_a_log_below_its_limit_stays_complete(small) -> None:
    flood(small, 190_000)

    small.update(["web"])

    assert small.dropped("web") == 0
    assert len(kept(small)) == 1900


def test_a_log_without_line_ends_is_bounded(small) -> None:
    Path(small.path("web")).write_bytes(b"x" * 1_000_000)

    small.update(["web"])

    assert space(small) <= 200_000
    assert kept(small)[0].endswith("dropped")
    assert set(kept(small)[1]) == {"x"}


def test_the_total_limit_shortens_the_large_logs_only(small) -> None:
    for name in ("a", "b", "c", "quiet"):
        flood(small, 1_000 if name == "quiet" else 190_000, name)

    small.update(["a", "b", "c", "quiet"])

    assert sum(space(small, name) for name in ("a", "b", "c", "quiet")) <= 400_000
    assert small.dropped("quiet") == 0
    assert all(small.dropped(name) for name in ("a", "b", "c"))


def test_a_log_is_truncated_where_the_file_system_has_no_holes(small, monkeypatch) -> None:
    def refuse(_descriptor: int, _length: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(sparse_file, "punch", refuse)
    with Path(small.path("web")).open("a") as child:
        flood(small, 1_000_000)

        small.update(["web"])
        child.write("next\n")

    old = Path(small.path("web") + ".1")
    mark, *lines = old.read_text().splitlines()
    assert Path(small.path("web")).read_text() == "next\n"
    assert mark == f"infra: the first {small.dropped('web')} bytes of this log were dropped"
    assert lines[-1].strip().endswith("9999")
    assert old.stat().st_mode & 0o777 == 0o600
    assert not Path(small.folder, "web.index").exists()


def test_a_log_that_is_too_large_for_the_file_system_is_truncated(small, monkeypatch) -> None:
    monkeypatch.setattr(logs, "LARGEST", 500_000)
    flood(small, 1_000_000)

    small.update(["web"])

    assert small.size("web") == 0
    assert Path(small.path("web") + ".1").exists()


def test_a_link_to_a_foreign_file_is_not_changed(small, tmp_path) -> None:
    foreign = tmp_path / "foreign"
    foreign.write_bytes(b"x" * 1_000_000)
    Path(small.path("web")).symlink_to(foreign)

    small.update(["web"])

    assert foreign.read_bytes() == b"x" * 1_000_000


def test_the_index_loses_the_lines_for_the_hole_and_no_others(small, clock) -> None:
    written = dict[str, None]()
    for _ in range(8):
        flood(small, 50_000)
        clock.time += 1
        small.update(["web"])
        written |= dict.fromkeys(index(small))

    assert index(small) == [line for line in written if int(line.split()[1]) > small.dropped("web")]
    assert 1 < len(index(small)) < len(written)


def test_an_existing_hole_is_found_after_a_restart(small, clock) -> None:
    flood(small, 1_000_000)
    small.update(["web"])

    again = Logs(small.folder, now=clock, limit=200_000)
    again.update(["web"])

    assert again.dropped("web") == small.dropped("web")


def test_a_fast_log_is_checked_more_often(small, clock) -> None:
    intervals = []
    for growth in (0, 10_000, 1_000_000, 0):
        flood(small, growth)
        clock.time += 0.25
        intervals.append(small.update(["web"]))

    assert intervals[0] == intervals[3] == logs.LONGEST
    assert intervals[2] == logs.SHORTEST
    small.update(["web"], last=True)


def test_a_tail_leaves_the_hole_out(small) -> None:
    flood(small, 1_000_000)
    small.update(["web"])

    assert small.tail("web", since=0)[-1].strip().endswith("9999")
    assert not any("\0" in line for line in small.tail("web", lines=9999, since=0))


def test_the_limits_come_from_variables() -> None:
    assert logs.limits({}) == (logs.LIMIT, logs.TOTAL_LIMIT)
    assert logs.limits({"INFRA_LOG_LIMIT": "5000000", "INFRA_LOG_TOTAL": "9000000"}) == (5_000_000, 9_000_000)


@pytest.mark.parametrize("text", ["much", "-1", "0", "10 MB", "9" * 40])
@pytest.mark.parametrize("variable", ["INFRA_LOG_LIMIT", "INFRA_LOG_TOTAL"])
def test_a_limit_that_is_not_a_number_of_bytes_is_an_error(variable: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{variable}: '{text}' is not a number of bytes$"):
        logs.limits({variable: text})


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
