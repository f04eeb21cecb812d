"""The handling of SIGINT (Ctrl-C) and SIGTERM; only the first signal that arrives can be deferred."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

from infra_cli import early_interrupt


class Interrupts:
    """A context in which SIGINT and SIGTERM raise `KeyboardInterrupt`.

    `number` is the number of the last received signal, or 0. The context raises `KeyboardInterrupt` at its
    start if the process has received SIGINT before. A signal that the process already ignores (such
    as SIGINT in a background job of a shell) stays ignored.
    """

    def __init__(self) -> None:
        self.number = early_interrupt.received
        self._deferred = False
        self._before: dict[int, Any] = {}

    @property
    def exit_code(self) -> int:
        """Return the exit code that a shell uses for a program that the last received signal has ended."""
        return 128 + (self.number or signal.SIGINT)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Delay the `KeyboardInterrupt` of the first signal in the `with` block until the end of the block.

        A second signal raises `KeyboardInterrupt` immediately.
        """
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
        self.check()

    def check(self) -> None:
        """Raise `KeyboardInterrupt` if a signal was received, even if Python ignored the first exception."""
        if self.number:
            raise KeyboardInterrupt

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        is_first, self.number = not self.number, number
        if not (is_first and self._deferred):
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        self.check()
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
