"""Slots: numbered places in a service that one test has at a time, and another one after it."""

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

#: seconds that a test waits for a slot, and between two looks
PATIENCE, INTERVAL = 60.0, 0.005
USED, KEPT = b"used", b"kept"


class Slots:
    """Each is a locked file in the data directory: free as soon as its holder is gone, however it went.

    A file with something in it says that whoever had the slot did not clean up.
    """

    def __init__(self, data: Path, kind: str, numbers: range, hint: str) -> None:
        self._kind, self._numbers, self._hint = kind, numbers, hint
        self._folder = data / FOLDER / "slots"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._held: dict[int, int] = {}

    def take(self, clean: Callable[[int], bool]) -> int:
        """A slot that nobody has; `clean` is asked about one that was left used, and may refuse it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            for number in self._numbers:
                if number not in self._held and self._sit(number, clean):
                    return number
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"none of {len(self._numbers)} {self._kind} slots came free within {PATIENCE:g} s",
                    hint=self._hint,
                )
            time.sleep(INTERVAL)

    def release(self, number: int, clean: Callable[[int], bool], *, keep: bool) -> None:
        """Clean a slot, unless it is kept, and free it; where that fails the next holder cleans it."""
        cleaned = False
        try:
            with contextlib.suppress(OSError, CommandError):  # the server is stopped, perhaps
                cleaned = not keep and clean(number)
        finally:
            self.free(number, keep=keep, clean=cleaned)

    def free(self, number: int, *, keep: bool = False, clean: bool = True) -> None:
        """Free a slot: clean, or to be cleaned by the next, or never to be used again."""
        descriptor = self._held.pop(number)
        os.ftruncate(descriptor, 0)
        if keep or not clean:
            os.pwrite(descriptor, KEPT if keep else USED, 0)
        file_lock.release(descriptor)

    def _sit(self, number: int, clean: Callable[[int], bool]) -> bool:
        path = self._folder / f"{self._kind}-{number}"
        if (descriptor := file_lock.acquire(str(path))) is None:
            return False
        try:
            state = os.pread(descriptor, len(USED), 0)
            good = state != KEPT and (state != USED or clean(number))
        except BaseException:
            os.close(descriptor)
            raise
        if not good:
            os.close(descriptor)
            return False
        os.pwrite(descriptor, USED, 0)
        self._held[number] = descriptor
        return True
