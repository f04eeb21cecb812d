"""Counts events by kind, so that a kind is reported once per interval, with the number of its events."""

from __future__ import annotations

import time
from collections.abc import Callable


class Occurrences:
    """Counts events by kind.

    A kind is due for a report when `interval` seconds have passed since its last report. The first event of a
    kind is due at once. At most `kinds` kinds are stored: if a further kind occurs, the stored counts of all
    kinds are removed.
    """

    def __init__(
        self, interval: float, *, clock: Callable[[], float] = time.monotonic, kinds: int = 1000
    ) -> None:
        self._interval, self._clock, self._kinds = interval, clock, kinds
        #: kind → time of the last report, and the number of events since then
        self._last: dict[str, tuple[float, int]] = {}

    def add(self, kind: str, number: int = 1) -> int:
        """Add `number` events of a kind.

        Return the number of unreported events if the kind is due, otherwise 0.
        """
        now = self._clock()
        last_report, count = self._last.get(kind, (float("-inf"), 0))
        if now - last_report < self._interval:
            self._last[kind] = last_report, count + number
            return 0
        if kind not in self._last and len(self._last) >= self._kinds:
            self._last.clear()
        self._last[kind] = now, 0
        return count + number

    def due(self) -> dict[str, int]:
        """Return a mapping from each kind that is due to the number of its unreported events."""
        now = self._clock()
        due_counts = {
            kind: count
            for kind, (last_report, count) in self._last.items()
            if count and now - last_report >= self._interval
        }
        self._last |= dict.fromkeys(due_counts, (now, 0))
        return due_counts
