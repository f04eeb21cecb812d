"""Slots: numbered parts of a service, such as accounts, each used by one test after another."""

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

#: seconds that a test waits for a slot, and between two attempts
PATIENCE, INTERVAL = 60.0, 0.005
#: contents of a slot's file; the file of a clean slot is empty
USED, KEPT = b"used", b"kept"


class Slots:
    """The slots of one service, shared by all processes of the run.

    Each slot has a file in the data directory, which is locked while a process uses the slot. The lock ends
    when the process exits, even by SIGKILL. The file's content shows whether the slot is clean.
    """

    def __init__(self, data: Path, kind: str, numbers: range, hint: str) -> None:
        self._kind, self._numbers, self._hint = kind, numbers, hint
        self._folder = data / FOLDER / "slots"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._held: dict[int, int] = {}

    def take(self, clean: Callable[[int], bool]) -> int:
        """Wait for a free slot and return its number.

        `clean` is called for a slot that its last user did not clean; if it returns False, another slot is
        tried. Raises `ConfigurationError` if no slot is free in time.
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
        """Clean a slot, unless it is kept, and free it. If cleaning fails, its next user cleans it."""
        cleaned = False
        try:
            with contextlib.suppress(OSError, CommandError):  # the server may be stopped
                cleaned = not keep and clean(number)
        finally:
            self.free(number, keep=keep, clean=cleaned)

    def free(self, number: int, *, keep: bool = False, clean: bool = True) -> None:
        """Free a slot. `clean=False`: its next user cleans it. `keep=True`: it is not used again."""
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
