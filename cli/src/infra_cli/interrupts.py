"""Ctrl-C and SIGTERM: once is a request, twice is an order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self


class Interrupts:
    """Raises `KeyboardInterrupt` for both signals, and remembers which it was.

    One that is ignored already (as in a shell's background job) stays ignored.
    """

    def __init__(self) -> None:
        self.number = 0
        self._deferred = False
        self._before: dict[int, Any] = {}

    @property
    def exit_code(self) -> int:
        """What a shell reports for a program that the signal ended."""
        return 128 + (self.number or signal.SIGINT)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """What is inside ends in peace: the first signal is heard after it, the second at once."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
        if self.number:
            raise KeyboardInterrupt

    def _note(self, number: int, _frame: FrameType | None) -> None:
        first, self.number = not self.number, number
        if not (first and self._deferred):
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
