"""The lock of a data directory; a process that waits for it continues a stopped holder."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.stacks import until
from infra_runtime.data_directory import lock
from infra_runtime.data_directory.paths import Paths
from infra_runtime.data_directory.wipe import remove
from infra_runtime.host import file_lock, processes
from infra_runtime.supervisor.guardian_process import Guardian


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path))


@pytest.fixture
def left_behind(paths: Paths) -> Iterator[Guardian]:
    """Yield a stopped guardian, the only remaining process of its stack."""
    descriptor = lock.take(paths)
    assert descriptor is not None
    guardian = Guardian("token", [descriptor], paths.ports, [])
    os.kill(guardian.pid, signal.SIGSTOP)
    until(lambda: state(guardian.pid) in processes.STOPPED)
    os.close(descriptor)
    guardian.close()
    yield guardian
    os.kill(guardian.pid, signal.SIGKILL)
    os.waitpid(guardian.pid, 0)


def state(pid: int) -> str:
    process = processes.look(pid)
    return process.state if process else ""


def test_only_one_process_gets_the_lock(paths) -> None:
    first = lock.take(paths)

    assert lock.take(paths) is None
    os.close(first)
    second = lock.take(paths)
    assert second is not None
    os.close(second)


def test_a_lock_file_that_its_holder_removes_is_not_taken(paths, monkeypatch) -> None:
    acquire = file_lock.acquire

    def removed_meanwhile(path: str) -> int | None:
        descriptor = acquire(path)
        Path(path).unlink()
        return descriptor

    with monkeypatch.context() as patched:
        patched.setattr(file_lock, "acquire", removed_meanwhile)

        assert lock.take(paths) is None
    first = lock.take(paths)
    assert lock.take(paths) is None
    os.close(first)


def test_a_stopped_guardian_without_a_supervisor_continues_and_releases_the_lock(paths, left_behind) -> None:
    until(lambda: (descriptor := lock.take(paths)) and os.close(descriptor) is None)

    until(lambda: state(left_behind.pid) == processes.ZOMBIE)


def test_a_data_directory_that_a_stopped_guardian_has_locked_can_be_removed(paths, left_behind) -> None:
    Path(paths.marker).write_text("{}", encoding="utf-8")

    remove(paths)

    assert not Path(paths.data).exists()


def test_a_foreign_process_with_the_guardians_pid_is_not_continued(paths, left_behind, sleeper) -> None:
    sleeper.send_signal(signal.SIGSTOP)
    until(lambda: state(sleeper.pid) in processes.STOPPED)
    Path(paths.lock).write_text(f"{sleeper.pid} 17\n", encoding="ascii")

    assert lock.take(paths) is None
    assert state(sleeper.pid) in processes.STOPPED


@pytest.mark.parametrize("text", ["", "nonsense", "\x00\x00", "17", "-1 17\n", f"{'9' * 40} 17\n"])
def test_a_lock_file_without_a_valid_pid_is_ignored(paths, left_behind, text) -> None:
    Path(paths.lock).write_text(text, encoding="ascii")

    assert lock.take(paths) is None


def test_taking_the_lock_clears_the_lock_file(paths) -> None:
    Path(paths.lock).write_text("17 4711\n", encoding="ascii")

    descriptor = lock.take(paths)

    assert Path(paths.lock).read_bytes() == b""
    os.close(descriptor)
