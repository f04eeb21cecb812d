"""Count equal events, so that each kind of event is reported at most once per interval, with its number."""

from __future__ import annotations

import time
from collections.abc import Callable


class Occurrences:
    """Counts events by kind, and returns the number since the last report when a report is due.

    The first event of a kind is reported at once. If more than `kinds` kinds are remembered, all of them are
    removed.
    """

    def __init__(
        self, interval: float, *, clock: Callable[[], float] = time.monotonic, kinds: int = 1000
    ) -> None:
        self._interval, self._clock, self._kinds = interval, clock, kinds
        #: kind → time of the last report, and the number of events since then
        self._last: dict[str, tuple[float, int]] = {}

    def add(self, kind: str, number: int = 1) -> int:
        """Count events, and return the number to report now; 0 if the last report is too recent."""
        now = self._clock()
        last, count = self._last.get(kind, (float("-inf"), 0))
        if now - last < self._interval:
            self._last[kind] = last, count + number
            return 0
        if kind not in self._last and len(self._last) >= self._kinds:
            self._last.clear()
        self._last[kind] = now, 0
        return count + number

    def due(self) -> dict[str, int]:
        """Return a mapping from kind to number of unreported events, for kinds that can be reported now."""
        now = self._clock()
        due = {
            kind: count
            for kind, (last, count) in self._last.items()
            if count and now - last >= self._interval
        }
        self._last |= dict.fromkeys(due, (now, 0))
        return due
