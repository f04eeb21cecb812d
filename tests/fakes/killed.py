"""The contents of a folder after code that is killed, or fails, before its n-th change on the disk."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from infra_runtime.errors import InfraError
from infra_runtime.host import disk

#: how the code ended
COMPLETE, KILLED, FAILED = range(3)
CHANGES = frozenset(
    {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.link", "os.symlink", "os.truncate"}
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def statuses(
    folder: Path, prepare: Callable[[], None], act: Callable[[], None], *, fail: bool = False
) -> Iterator[int]:
    """Yield a status for each change that `act` makes in a folder, which then is as a kill leaves it.

    The first content of the folder is that before the first change, then that before the second, and so on;
    the last one, with the status COMPLETE, is the content after all changes. The caller may change it. With
    `fail`, each content is that after a run of `act` in which one change raised `OSError` (no space left).

    `act` runs in a forked process, after `prepare`. A copy of the folder before a change is what a kill at
    this moment leaves, so one run is sufficient for all kills.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent) as copies:
        if (pid := os.fork()) == 0:
            status = 1
            try:
                (_fail if fail else _copy)(folder, Path(copies), prepare, act)
                status = 0
            except BaseException:  # noqa: BLE001 - the forked process must not return into the test
                traceback.print_exc()
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert status == 0, "the code raised an unexpected error; its traceback is in the output"
        for copy in sorted(Path(copies).iterdir()):
            shutil.rmtree(folder)
            copy.rename(folder)
            yield int(copy.name.partition("-")[2])


def _copy(folder: Path, copies: Path, prepare: Callable[[], None], act: Callable[[], None]) -> None:
    """Run code, and copy the folder before each change and at the end."""
    prepare()

    def copy(number: int, _: str, status: int = KILLED) -> None:
        shutil.copytree(folder, copies / f"{number:05}-{status}", symlinks=True)

    changes = _intercept(copy, syncs=False)
    act()
    changes.handler = None
    copy(changes.count + 1, "", COMPLETE)


def _fail(folder: Path, copies: Path, prepare: Callable[[], None], act: Callable[[], None]) -> None:
    """Run code until no change fails, and keep the folder of each run."""

    def change(number: int, what: str) -> None:
        if number == step:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), what)

    changes = _intercept(None, syncs=True)
    for step in range(1, 1000):
        prepare()
        changes.count, changes.handler, status = 0, change, COMPLETE
        try:
            act()
        except InfraError:
            status = FAILED
        changes.handler = None
        folder.rename(copies / f"{step:05}-{status}")
        folder.mkdir()
        if changes.count < step:
            assert status == COMPLETE
            return
    raise AssertionError("the code makes too many changes")


@dataclass
class _Changes:
    """The number of changes, and the function that is called before each of them."""

    handler: Callable[[int, str], None] | None
    count: int = 0

    def add(self, what: str) -> None:
        if handler := self.handler:
            self.count += 1
            self.handler = None
            try:
                handler(self.count, what)
            finally:
                self.handler = handler


def _intercept(handler: Callable[[int, str], None] | None, *, syncs: bool) -> _Changes:
    """Call a function before each change of this process on the disk; with `syncs`, before each sync too."""
    changes, write = _Changes(handler), os.write

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in CHANGES:
            changes.add(str(arguments[0]))
        elif event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _WRITES and not str(path).startswith("/dev/"):
                changes.add(str(path))

    def counted_write(descriptor: int, data: bytes) -> int:
        changes.add(f"descriptor {descriptor}")
        return write(descriptor, data)

    def sync(what: object) -> None:
        if syncs:
            changes.add(str(what))

    # These functions cause no audit event. A synchronisation does nothing, because a kill does not lose
    # written data. A kill before it therefore has the same effect as a kill before the next change.
    os.write = counted_write
    os.fsync = sync
    disk.sync_file_system = sync
    sys.addaudithook(hook)
    return changes
