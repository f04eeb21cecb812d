"""Locks on files: a lock has one holder at a time, and is free after the holder has exited."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from infra_runtime.host import file_lock


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "lock")


def test_a_lock_has_one_holder_at_a_time(path) -> None:
    descriptor = file_lock.acquire(path)

    assert descriptor is not None
    assert file_lock.acquire(path) is None
    assert file_lock.is_held(path)

    os.close(descriptor)
    assert not file_lock.is_held(path)


def test_the_file_is_readable_for_its_owner_only(path) -> None:
    os.close(file_lock.acquire(path))

    assert Path(path).stat().st_mode & 0o777 == 0o600


def test_a_file_that_must_not_be_created_is_missing(path) -> None:
    with pytest.raises(FileNotFoundError):
        file_lock.acquire(path, create=False)

    assert not file_lock.is_held(path)


@pytest.mark.process
def test_a_waiting_process_gets_the_lock_when_it_is_released(path) -> None:
    descriptor = file_lock.acquire(path)
    code = (
        f"from infra_runtime.host import file_lock; file_lock.acquire({path!r}, wait=True); print('locked')"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        os.close(descriptor)

        assert other.stdout.read() == "locked\n"


def test_a_wait_for_a_locked_folder_is_reported(tmp_path: Path) -> None:
    with ExitStack() as held:
        assert held.enter_context(file_lock.folder(tmp_path))
        waits = []

        def report() -> None:
            waits.append("waits")
            held.close()

        with file_lock.folder(tmp_path, report) as is_locked:
            assert is_locked

    with file_lock.folder(tmp_path, report):
        pass

    assert waits == ["waits"]


def test_a_folder_that_the_file_system_cannot_lock_is_not_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int, operation: int) -> None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(fcntl, "flock", fail)

    with file_lock.folder(tmp_path) as is_locked:
        assert not is_locked


def test_a_released_lock_is_free_although_a_copy_of_its_descriptor_is_open(path) -> None:
    descriptor = file_lock.acquire(path)
    copy = os.dup(descriptor)

    file_lock.release(descriptor)

    assert not file_lock.is_held(path)
    os.close(copy)


def test_a_lock_on_a_file_that_was_removed_is_not_current(path) -> None:
    descriptor = file_lock.acquire(path)
    assert file_lock.is_current(descriptor, path)

    Path(path).unlink()
    assert not file_lock.is_current(descriptor, path)

    Path(path).touch()
    assert not file_lock.is_current(descriptor, path)
    os.close(descriptor)


def test_the_next_holder_of_a_removed_lock_file_locks_a_new_file(path) -> None:
    descriptor, waiting = file_lock.acquire(path), os.open(path, os.O_RDWR)

    file_lock.remove(descriptor, path)

    assert not Path(path).exists()
    assert not file_lock.is_current(waiting, path)
    os.close(waiting)


@pytest.mark.parametrize("shared", [False, True])
def test_a_lock_of_a_file_that_was_removed_meanwhile_is_a_lock_of_the_new_file(
    path, shared, monkeypatch
) -> None:
    holder, locks = file_lock.acquire(path), []

    def acquire(path: str, **options: bool) -> int | None:
        if not locks:  # the holder removes the file between the opening and the locking by another process
            locks.append(os.open(path, os.O_RDWR))
            file_lock.remove(holder, path)
            return locks[0]
        return original(path, **options)

    original = file_lock.acquire
    monkeypatch.setattr(file_lock, "acquire", acquire)

    descriptor = file_lock.acquire_current(path, shared=shared)

    assert file_lock.is_current(descriptor, path)
    os.close(descriptor)


def test_a_lock_file_of_another_holder_is_not_removed(path) -> None:
    descriptor = file_lock.acquire(path)
    Path(path).unlink()
    other = file_lock.acquire(path)

    file_lock.remove(descriptor, path)

    assert file_lock.is_held(path)
    os.close(other)


def test_only_files_without_a_holder_are_removed_from_a_folder(tmp_path) -> None:
    held, free = str(tmp_path / "held"), str(tmp_path / "free")
    descriptor = file_lock.acquire(held)
    os.close(file_lock.acquire(free))

    file_lock.remove_free(str(tmp_path))

    assert [file.name for file in tmp_path.iterdir()] == ["held"]
    os.close(descriptor)
    file_lock.remove_free(str(tmp_path / "missing"))
