"""The lock of a data directory: who waits for it wakes up a holder that would never let go."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from fakes.stacks import until
from infra_runtime.data_directory import lock
from infra_runtime.data_directory.paths import Paths
from infra_runtime.data_directory.wipe import remove
from infra_runtime.host import processes
from infra_runtime.supervisor.children import Guardian


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path))


@pytest.fixture
def left_behind(paths: Paths) -> Iterator[Guardian]:
    """A guardian that somebody stopped, and that is all that is left of its stack."""
    descriptor = lock.take(paths)
    assert descriptor is not None
    guardian = Guardian("token", descriptor, [])
    os.kill(guardian.pid, signal.SIGSTOP)
    until(lambda: state(guardian.pid) in processes.STOPPED)
    os.close(descriptor)
    guardian.close()
    yield guardian
    os.kill(guardian.pid, signal.SIGKILL)
    os.waitpid(guardian.pid, 0)


def state(pid: int) -> str:
    found = processes.look(pid)
    return found.state if found else ""


def test_one_takes_it_and_the_other_does_not(paths) -> None:
    first = lock.take(paths)

    assert lock.take(paths) is None
    os.close(first)
    second = lock.take(paths)
    assert second is not None
    os.close(second)


def test_one_that_was_removed_while_it_was_held_is_nobodys_and_the_next_one_locks_another(
    paths, monkeypatch
) -> None:
    def removed_first(descriptor: int, how: int) -> None:
        fcntl.flock(descriptor, how)
        Path(paths.lock).unlink()

    with monkeypatch.context() as patched:
        patched.setattr(lock, "fcntl", SimpleNamespace(flock=removed_first, LOCK_EX=2, LOCK_NB=4))

        assert lock.take(paths) is None
    first = lock.take(paths)
    assert lock.take(paths) is None
    os.close(first)


def test_a_stopped_guardian_without_a_supervisor_wakes_up_and_lets_go(paths, left_behind) -> None:
    until(lambda: (descriptor := lock.take(paths)) and os.close(descriptor) is None)

    until(lambda: state(left_behind.pid) == processes.ZOMBIE)


def test_data_that_a_stopped_guardian_still_holds_can_be_removed(paths, left_behind) -> None:
    Path(paths.marker).write_text("{}", encoding="utf-8")

    remove(paths)

    assert not Path(paths.data).exists()


def test_a_stranger_who_has_the_guardians_number_now_is_left_alone(paths, left_behind, sleeper) -> None:
    sleeper.send_signal(signal.SIGSTOP)
    until(lambda: state(sleeper.pid) in processes.STOPPED)
    Path(paths.lock).write_text(f"{sleeper.pid} 17\n", encoding="ascii")

    assert lock.take(paths) is None
    assert state(sleeper.pid) in processes.STOPPED


@pytest.mark.parametrize("text", ["", "nonsense", "\x00\x00", "17", "-1 17\n", f"{'9' * 40} 17\n"])
def test_a_lock_that_names_nobody_is_only_waited_for(paths, left_behind, text) -> None:
    Path(paths.lock).write_text(text, encoding="ascii")

    assert lock.take(paths) is None


def test_who_takes_it_forgets_whom_the_former_holder_named(paths) -> None:
    Path(paths.lock).write_text("17 4711\n", encoding="ascii")

    descriptor = lock.take(paths)

    assert Path(paths.lock).read_bytes() == b""
    os.close(descriptor)
