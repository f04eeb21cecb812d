"""Slots are numbered parts of a service, such as accounts; only one test at a time uses a slot."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from infra_runtime.errors import ConfigurationError
from infra_runtime.host import file_lock
from pytest_infra.isolation.connection import CommandError
from pytest_infra.isolation.owner import FOLDER

#: The seconds that a test waits for a slot, and the seconds between two attempts.
PATIENCE, INTERVAL = 60.0, 0.005
#: The content of a slot's file: `USED` if the slot is in use or not clean, `KEPT` if the slot is kept for the
#: user. The file of a clean slot is empty.
USED, KEPT = b"used", b"kept"


class Slots:
    """The slots of one service; all processes that use the data directory share the slots.

    Each slot has a file in the data directory. A process that uses the slot holds a lock on the file. The
    lock is released when the process exits, even after SIGKILL. The content of the file shows whether the
    slot is clean.
    """

    def __init__(self, data: Path, kind: str, numbers: range, hint: str) -> None:
        self._kind, self._numbers, self._hint = kind, numbers, hint
        self._folder = data / FOLDER / "slots"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._held: dict[int, int] = {}

    def take(self, clean: Callable[[int], bool]) -> int:
        """Wait until a slot of the service is free, lock the slot, and return its number.

        If the last user of a slot did not clean the slot, `clean` is called with its number. If `clean`
        returns False, another slot is tried. Raises `ConfigurationError` if no slot is free within `PATIENCE`
        seconds.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            for number in self._numbers:
                if number not in self._held and self._try_take(number, clean):
                    return number
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"none of the {len(self._numbers)} slots of {self._kind} became free "
                    f"within {PATIENCE:g} s",
                    hint=self._hint,
                )
            time.sleep(INTERVAL)

    def release(self, number: int, clean: Callable[[int], bool], *, keep: bool) -> None:
        """Clean a slot after a test, and free it for other tests; with `keep`, the slot is kept as it is.

        If cleaning fails, the next process that takes the slot cleans it.
        """
        cleaned = False
        try:
            with contextlib.suppress(OSError, CommandError):  # the server can be stopped
                cleaned = not keep and clean(number)
        finally:
            self.free(number, keep=keep, clean=cleaned)

    def free(self, number: int, *, keep: bool = False, clean: bool = True) -> None:
        """Unlock a slot, so that another test can use it.

        With `clean=False`, the next process that takes the slot cleans it. With `keep=True`, no process takes
        the slot again.
        """
        descriptor = self._held.pop(number)
        os.ftruncate(descriptor, 0)
        if keep or not clean:
            os.pwrite(descriptor, KEPT if keep else USED, 0)
        file_lock.release(descriptor)

    def _try_take(self, number: int, clean: Callable[[int], bool]) -> bool:
        path = self._folder / f"{self._kind}-{number}"
        if (descriptor := file_lock.acquire(str(path))) is None:
            return False
        try:
            state = os.pread(descriptor, len(USED), 0)
            usable = state != KEPT and (state != USED or clean(number))
        except BaseException:
            os.close(descriptor)
            raise
        if not usable:
            os.close(descriptor)
            return False
        os.pwrite(descriptor, USED, 0)
        self._held[number] = descriptor
        return True
