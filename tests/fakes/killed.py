"""Run code in a forked process that is killed, or fails, before its n-th change on the disk."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator

from infra_runtime.errors import InfraError
from infra_runtime.host import disk

#: exit statuses of the forked process
COMPLETE, KILLED, FAILED, BUG = 0, 40, 41, 42
CHANGES = frozenset(
    {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.link", "os.symlink", "os.truncate"}
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def statuses(prepare: Callable[[], None], act: Callable[[], None], *, fail: bool = False) -> Iterator[int]:
    """Run `act` in new processes; the process number N is killed before its change number N.

    Yield the exit status of each process; the caller can check the disk after each status. `prepare` runs
    before each process. With `fail`, the process is not killed, but the change raises `OSError` (no space
    left). The last status is the status of a process that made all its changes.
    """
    for step in range(1, 1000):
        prepare()
        status, reached = run(act, step, fail=fail)
        yield status
        if not reached:
            assert status == COMPLETE
            return
    raise AssertionError("the code makes too many changes")


def run(act: Callable[[], None], step: int, *, fail: bool = False) -> tuple[int, bool]:
    """Run code in a forked process until its change `step`; return the status, and whether it got so far."""
    read_end, write_end = os.pipe()
    if (pid := os.fork()) == 0:
        status = BUG
        try:
            _intercept(step, write_end, fail=fail)
            act()
            status = COMPLETE
        except InfraError:
            status = FAILED
        except BaseException:  # noqa: BLE001 - the forked process must not return into the test
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(write_end)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    reached = bool(os.read(read_end, 1))
    os.close(read_end)
    assert status != BUG, "the code raised an unexpected error; its traceback is in the output"
    return status, reached


def _intercept(step: int, write_end: int, *, fail: bool) -> None:
    count = 0
    write = os.write

    def change(what: str) -> None:
        nonlocal count
        count += 1
        if count == step:
            write(write_end, b"!")
            if not fail:
                os._exit(KILLED)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), what)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in CHANGES:
            change(str(arguments[0]))
        elif event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _WRITES and not str(path).startswith("/dev/"):
                change(str(path))

    def counted_write(descriptor: int, data: bytes) -> int:
        change(f"descriptor {descriptor}")
        return write(descriptor, data)

    def sync(what: object) -> None:
        if fail:
            change(str(what))

    # These functions cause no audit event. A synchronisation does nothing, because a kill does not lose
    # written data. A kill before it therefore has the same effect as a kill before the next change.
    os.write = counted_write
    os.fsync = sync
    disk.sync_file_system = sync
    sys.addaudithook(hook)
