"""The history of the resource usage of services, in ring buffers of a fixed size."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping

from infra_runtime.dashboard.usage import Usage

#: the seconds between two samples, and the number of samples in a ring buffer
INTERVAL, SAMPLES = 5.0, 720
#: the seconds between two samples while no page is open, so that an idle dashboard needs little processor
#: time
IDLE_INTERVAL = 20.0
#: the fields of `Usage` in the history
FIELDS = ("cpu", "memory", "read", "written")


class UsageHistory:
    """The newest samples of all services; not-a-number represents the missing value of a service."""

    def __init__(self, samples: int = SAMPLES) -> None:
        self._samples = samples
        #: the time of each sample in Unix seconds; 0 without a sample
        self._times = array("d", [0.0]) * samples
        #: service → field → values
        self._rings: dict[str, dict[str, array[float]]] = {}
        self._count = 0

    def add(self, time: float, usage: Mapping[str, Usage]) -> None:
        """Add a sample, unless the newest sample is less than 0.9 times `INTERVAL` seconds old."""
        # A stream that reads the figures every `INTERVAL` seconds sometimes reads them a little early.
        if 0 <= time - self._times[(self._count - 1) % self._samples] < 0.9 * INTERVAL:
            return
        index = self._count % self._samples
        self._count += 1
        self._times[index] = time
        for service in usage.keys() - self._rings.keys():
            nothing = [math.nan] * self._samples
            self._rings[service] = {field: array("f", nothing) for field in FIELDS}
        for service, rings in self._rings.items():
            measured = usage.get(service)
            for field, ring in rings.items():
                value = getattr(measured, field, None)
                ring[index] = math.nan if value is None else value
        self._remove_old()

    def _remove_old(self) -> None:
        """Remove the services without any value in the ring buffers, each time the buffers are full."""
        if self._count % self._samples:
            return
        for service, rings in list(self._rings.items()):
            if all(math.isnan(value) for value in rings["memory"]):
                del self._rings[service]

    def read(self, field: str, since: float, until: float) -> dict[str, list[tuple[float, float]]]:
        """Return a mapping from service to pairs of time and value of a field, the oldest first."""
        oldest_number = max(self._count - self._samples, 0)
        indices = [number % self._samples for number in range(oldest_number, self._count)]
        selected_indices = [index for index in indices if since <= self._times[index] <= until]
        series = {}
        for service, rings in self._rings.items():
            ring = rings[field]
            values = [
                (self._times[index], ring[index]) for index in selected_indices if not math.isnan(ring[index])
            ]
            if values:
                series[service] = values
        return series
