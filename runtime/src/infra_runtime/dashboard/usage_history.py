"""The newest figures of services: rings of a fixed size, so that the memory is bounded."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping

from infra_runtime.dashboard.usage import Usage

#: seconds between two samples, and the number of samples
INTERVAL, SAMPLES = 5.0, 720
#: seconds between two samples while no page is open, so that an idle dashboard costs little processor time
IDLE_INTERVAL = 20.0
#: the fields of `Usage` that are kept
FIELDS = ("cpu", "memory", "read", "written")


class UsageHistory:
    """The newest samples of all services. A service without a sample has the value not-a-number."""

    def __init__(self, samples: int = SAMPLES) -> None:
        self._samples = samples
        #: Unix seconds; 0 for a place without a sample
        self._times = array("d", [0.0]) * samples
        #: service → field → values
        self._rings: dict[str, dict[str, array[float]]] = {}
        self._count = 0

    def add(self, time: float, usage: Mapping[str, Usage]) -> None:
        """Add a sample, unless the newest one is less than `INTERVAL` seconds old."""
        # A stream that reads the figures every `INTERVAL` seconds is sometimes a little early.
        if 0 <= time - self._times[(self._count - 1) % self._samples] < 0.9 * INTERVAL:
            return
        place = self._count % self._samples
        self._count += 1
        self._times[place] = time
        for service in usage.keys() - self._rings.keys():
            nothing = [math.nan] * self._samples
            self._rings[service] = {field: array("f", nothing) for field in FIELDS}
        for service, rings in self._rings.items():
            measured = usage.get(service)
            for field, ring in rings.items():
                value = getattr(measured, field, None)
                ring[place] = math.nan if value is None else value
        self._remove_old()

    def _remove_old(self) -> None:
        """Remove services without any value, once per turn of the rings."""
        if self._count % self._samples:
            return
        for service, rings in list(self._rings.items()):
            if all(math.isnan(value) for value in rings["memory"]):
                del self._rings[service]

    def read(self, field: str, since: float, until: float) -> dict[str, list[tuple[float, float]]]:
        """Return a mapping from service to the times and values of a field in a time range, oldest first."""
        first = max(self._count - self._samples, 0)
        places = [number % self._samples for number in range(first, self._count)]
        shown = [place for place in places if since <= self._times[place] <= until]
        series = {}
        for service, rings in self._rings.items():
            ring = rings[field]
            values = [(self._times[place], ring[place]) for place in shown if not math.isnan(ring[place])]
            if values:
                series[service] = values
        return series
