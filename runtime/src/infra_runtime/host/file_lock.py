"""Locks on files (flock): a descriptor holds the lock, and the kernel releases it when the process exits.

For a file of another user, or a symbolic link, `OwnershipError` is raised.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator

from infra_runtime.host import ownership


def acquire(path: str, *, create: bool = True, wait: bool = False, shared: bool = False) -> int | None:
    """Lock a file; return the descriptor that holds the lock, or None if the lock is already held.

    A missing file is created with the mode 0600. With `wait`, the function waits until it has the lock.
    Several descriptors can hold a `shared` lock at the same time. Closing the descriptor releases the lock.

    Raises `FileNotFoundError` if the file is missing and `create` is false, `OSError` if the file cannot be
    opened.
    """
    descriptor = ownership.open_file(path, os.O_RDWR | (os.O_CREAT if create else 0))
    try:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(descriptor, kind | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def acquire_current(path: str, *, shared: bool = False) -> int:
    """Wait for the lock of the file that is at `path`; return the descriptor that holds the lock.

    If the previous holder removes the file during the wait, this function locks the new file at the path.
    """
    while True:
        descriptor = acquire(path, wait=True, shared=shared)
        assert descriptor is not None  # noqa: S101 - with `wait` it returns a descriptor
        if is_current(descriptor, path):
            return descriptor
        os.close(descriptor)  # the previous holder removed the file before this process had the lock


@contextlib.contextmanager
def folder(path: str | os.PathLike[str], before_wait: Callable[[], None] = lambda: None) -> Iterator[bool]:
    """Wait until no other process has locked an existing folder, and lock the folder during the `with` block.

    If another process has locked the folder, `before_wait` is called before the wait. Some file systems, such
    as NFS, cannot lock a folder; the `with` block then runs without the lock, and the value of the `with`
    statement is false.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield _lock(descriptor, before_wait)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, before_wait: Callable[[], None]) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        before_wait()
    except OSError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_EX)  # without effect if this descriptor already has the lock
    return True


def release(descriptor: int) -> None:
    """Release a lock and close the file; the lock is released even if a forked process has the file open."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def remove(descriptor: int, path: str) -> None:
    """Remove a lock file whose lock `descriptor` holds, and release the lock.

    The file is removed before the lock is released; a process that then locks the removed file detects this
    with `is_current`.
    """
    with contextlib.suppress(OSError):  # if the file cannot be removed, the next process can lock it
        if is_current(descriptor, path):
            os.unlink(path)
    os.close(descriptor)


def remove_free(folder: str) -> None:
    """Remove the lock files in a folder that no process has locked, such as files of killed processes."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                path = f"{folder}/{name}"
                if (descriptor := acquire(path, create=False)) is not None:
                    remove(descriptor, path)


def is_current(descriptor: int, path: str) -> bool:
    """Return whether an open lock file is still at `path`; its previous holder may have removed the file."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    return False


def is_held(path: str) -> bool:
    """Return whether a process holds the exclusive lock of the file at `path`.

    The result is false if the file does not exist or has only a shared lock.
    """
    try:
        descriptor = ownership.open_file(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # The lock is shared, so that two processes that check at the same time do not block each other.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
