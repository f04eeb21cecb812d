"""Handling of SIGINT (Ctrl-C) and SIGTERM: the first signal can be deferred, the second cannot."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self


class Interrupts:
    """A context in which both signals raise `KeyboardInterrupt`; `number` is the last signal, or 0.

    A signal that is ignored already (as in a shell's background job) stays ignored.
    """

    def __init__(self) -> None:
        self.number = 0
        self._deferred = False
        self._before: dict[int, Any] = {}

    @property
    def exit_code(self) -> int:
        """The exit code that a shell reports for a program that the signal ended."""
        return 128 + (self.number or signal.SIGINT)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Raise `KeyboardInterrupt` for the first signal after the block, for a second one at once."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
        if self.number:
            raise KeyboardInterrupt

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        is_first, self.number = not self.number, number
        if not (is_first and self._deferred):
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
