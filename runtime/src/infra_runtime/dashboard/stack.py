"""The connection of the dashboard to the supervisor, and the newest state of the stack.

Calls to the supervisor block, so they run in threads. The connection is not a lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Protocol

from infra_runtime.dashboard.error_counts import ErrorCounts
from infra_runtime.dashboard.usage import Usage, UsageMeter
from infra_runtime.dashboard.usage_history import IDLE_INTERVAL, UsageHistory
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import Client
from infra_runtime.errors import InfraError
from infra_runtime.messages import (
    ENDPOINTS,
    RESTART,
    SNAPSHOT_RESTORE,
    SNAPSHOT_SAVE,
    START,
    STATUS,
    STOP,
    Endpoints,
    Method,
    Names,
    Nothing,
    Outcome,
    Phase,
    Restored,
    Services,
    Snapshot,
    SnapshotName,
    Status,
)
from infra_runtime.value import frozen

#: the actions for services on the pages
ACTIONS: Mapping[str, Method[Names, Outcome]] = {"start": START, "stop": STOP, "restart": RESTART}
#: the seconds for which a state with its figures is used for later requests, unless an event arrives, and the
#: seconds for which the figures are used after an event, because a measurement would delay the new state
FRESH, FRESH_AFTER_EVENT = 1.0, 5.0
#: the seconds for which a new page shows a state, unless an event arrives; the stream of the page then sends
#: a newer state
FRESH_FOR_PAGES = 2 * IDLE_INTERVAL
#: the largest number of actions that run at the same time
ACTIONS_AT_ONCE = 4
#: the seconds until the next attempt to connect, after the supervisor has closed the connection for events
RETRY = 1.0
#: the largest difference in seconds between two computed starts of the same phase; the duration of the calls
#: causes this difference
JITTER = 1.0


class Link(Protocol):
    """The calls to the supervisor (see `SupervisorLink`); each call blocks until the answer arrives.

    Each call can raise `InfraError`.
    """

    def status(self) -> Status: ...
    def endpoints(self) -> Endpoints: ...
    def act(self, action: str, names: Iterable[str]) -> Outcome: ...
    def save(self, name: str) -> Snapshot: ...
    def restore(self, name: str) -> Restored: ...
    def follow(self, changed: Callable[[], None]) -> None: ...


class SupervisorLink:
    """Sends calls to the supervisor of a data directory."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        #: the open connection for `status`, which is called often
        self._client: Client | None = None
        #: a thread of a cancelled request can still use the connection
        self._lock = threading.Lock()

    def status(self) -> Status:
        """Return the state of the stack, with all services."""
        with self._lock:
            if self._client is not None:
                with contextlib.suppress(InfraError):  # the supervisor may have started again
                    return self._client.call(STATUS, Nothing())
                self._client.close()
            self._client = None
            self._client = Client.connect(self._paths)
            return self._client.call(STATUS, Nothing())

    def endpoints(self) -> Endpoints:
        """Return the exports of all services, including secrets."""
        with closing(Client.connect(self._paths)) as client:
            return client.call(ENDPOINTS, Nothing())

    def act(self, action: str, names: Iterable[str]) -> Outcome:
        """Start, stop or restart services; return when they are ready, stopped or failed."""
        with closing(Client.connect(self._paths)) as client:
            return client.call(ACTIONS[action], Names(services=tuple(names)))

    def save(self, name: str) -> Snapshot:
        """Save the data of the running services as a snapshot, except services that snapshots omit."""
        with closing(Client.connect(self._paths)) as client:
            return client.call(SNAPSHOT_SAVE, SnapshotName(name=name))

    def restore(self, name: str) -> Restored:
        """Restore the data of a snapshot; return when its services are ready or have failed."""
        with closing(Client.connect(self._paths)) as client:
            return client.call(SNAPSHOT_RESTORE, SnapshotName(name=name))

    def follow(self, changed: Callable[[], None]) -> None:
        """Call `changed` after each event, until the supervisor closes the connection."""
        with closing(Client.connect(self._paths)) as client:
            client.subscribe()
            changed()
            for _ in client.events():
                changed()


@frozen
class State:
    """The state of the stack at one time, and the resource usage and error count of each service."""

    status: Status
    usage: Mapping[str, Usage]
    #: service → the errors in its log; services without errors are left out
    errors: Mapping[str, int]
    #: service → the Unix time at which its phase began
    since: Mapping[str, float]
    #: Unix seconds
    time: float

    @property
    def services(self) -> Services:
        """The services, in dependency order."""
        return self.status.services


@frozen
class _Figures:
    """The resource usage and error count of all services, and the pids of the measured processes."""

    pids: Mapping[str, int]
    usage: Mapping[str, Usage]
    errors: Mapping[str, int]
    #: Unix seconds of the measurement
    time: float


class Stack:
    """The newest state of the stack, which all requests and streams share."""

    def __init__(
        self, link: Link, meter: UsageMeter, counts: ErrorCounts, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.link, self.history = link, UsageHistory()
        self._meter, self._counts, self._clock = meter, counts, clock
        #: the newest state, which is used while `_is_new`
        self._state: State | None = None
        self._is_new = False
        #: the exports of all services (used until the next event, at most for `FRESH_FOR_PAGES` seconds), and
        #: the time of the answer in Unix seconds
        self._endpoints: tuple[Endpoints, float] | None = None
        self._figures = _Figures(pids={}, usage={}, errors={}, time=0.0)
        #: service → its phase, and the Unix time at which the phase began
        self._phases: dict[str, tuple[Phase, float]] = {}
        self._lock = asyncio.Lock()
        self._changed = asyncio.Event()
        self._actions = ThreadPoolExecutor(ACTIONS_AT_ONCE, thread_name_prefix="action")

    def change(self) -> None:
        """Record that the stack has changed, so that the streams continue."""
        self._is_new, self._endpoints = False, None
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def next_change(self) -> asyncio.Event:
        """Return an event that is set by the next change."""
        return self._changed

    async def state(self, age: float = FRESH) -> State:
        """Return the state of the stack; it is at most `age` seconds old, and no event has arrived since.

        Raises `InfraError` if the supervisor does not answer.
        """
        async with self._lock:
            state, is_after_event = self._state, not self._is_new
            if state is None or is_after_event or self._clock() - state.time > age:
                changed = self._changed
                fresh = FRESH_AFTER_EVENT if is_after_event else FRESH
                self._state = state = await asyncio.to_thread(self._read, fresh)
                # If an event arrives during the call, the answer can be older than the event.
                self._is_new = changed is self._changed
            return state

    @property
    def last(self) -> State | None:
        """The last known state, which can be old; None before the first answer of the supervisor."""
        return self._state

    def _read(self, fresh: float) -> State:
        status = self.link.status()
        pids = {service.name: service.pid for service in status.services}
        figures = self._measured(pids, fresh)
        # A process that was started after the last measurement has no figures.
        usage = {
            name: service_usage
            for name, service_usage in figures.usage.items()
            if figures.pids[name] == pids.get(name)
        }
        now = self._clock()
        phase_starts = self._since(status.services, now)
        return State(status=status, usage=usage, errors=figures.errors, since=phase_starts, time=now)

    def _measured(self, pids: dict[str, int], fresh: float) -> _Figures:
        """Return the figures; they are measured again if they are older than `fresh` seconds."""
        if not 0 <= self._clock() - self._figures.time <= fresh:
            usage, errors = self._meter.measure(pids), self._counts.update()
            self._figures = _Figures(pids=pids, usage=usage, errors=errors, time=self._clock())
            self.history.add(self._figures.time, usage)
        return self._figures

    def _since(self, services: Services, now: float) -> dict[str, float]:
        """Return a mapping from service to the start time of its phase.

        While the phase of a service does not change, its start time is exactly the same in all results.
        """
        phases = {}
        for service in services:
            since = now - service.seconds
            phase, earlier = self._phases.get(service.name, (None, 0.0))
            is_same = phase is service.phase and abs(since - earlier) < JITTER
            phases[service.name] = service.phase, earlier if is_same else since
        self._phases = phases
        return {name: since for name, (_, since) in phases.items()}

    async def sample(self) -> None:
        """Measure the processes every `IDLE_INTERVAL` seconds, until the task is cancelled."""
        while True:
            with contextlib.suppress(InfraError):
                await self.state()
            await asyncio.sleep(IDLE_INTERVAL)

    async def endpoints(self) -> Endpoints:
        """Return the exports of all services, including secrets."""
        if self._endpoints and self._clock() - self._endpoints[1] <= FRESH_FOR_PAGES:
            return self._endpoints[0]
        changed = self._changed
        endpoints = await asyncio.to_thread(self.link.endpoints)
        if changed is self._changed:
            self._endpoints = endpoints, self._clock()
        return endpoints

    async def urls(self) -> dict[str, str]:
        """Return a mapping from service to its HTTP URL; services without such a URL are left out."""
        services = (await self.endpoints()).services
        urls = {name: endpoint.exports.get("url", "") for name, endpoint in services.items()}
        return {name: url for name, url in urls.items() if url.startswith(("http://", "https://"))}

    async def act(self, action: str, names: Iterable[str]) -> Outcome:
        """Start, stop or restart services; return when they are ready, stopped or failed."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._actions, self.link.act, action, tuple(names))

    async def save(self, name: str) -> Snapshot:
        """Save the data of the running services as a snapshot, except services that snapshots omit."""
        return await asyncio.get_running_loop().run_in_executor(self._actions, self.link.save, name)

    async def restore(self, name: str) -> Restored:
        """Restore the data of a snapshot; return when its services are ready or have failed."""
        return await asyncio.get_running_loop().run_in_executor(self._actions, self.link.restore, name)

    def follow(self) -> None:
        """Start the thread that follows the events of the stack until the process exits."""
        loop = asyncio.get_running_loop()

        def changed() -> None:
            with contextlib.suppress(RuntimeError):  # the event loop is closed
                loop.call_soon_threadsafe(self.change)

        def run() -> None:
            while not loop.is_closed():
                with contextlib.suppress(InfraError):
                    self.link.follow(changed)
                changed()
                time.sleep(RETRY)

        threading.Thread(target=run, name="events", daemon=True).start()


def dependents(services: Services) -> dict[str, tuple[str, ...]]:
    """Return a mapping from service to its direct and indirect dependents, in dependency order."""
    direct: dict[str, list[str]] = {service.name: [] for service in services}
    for service in services:
        for need in service.needs:
            direct.setdefault(need, []).append(service.name)
    order = {name: number for number, name in enumerate(direct)}
    by_service = {}
    for name, direct_names in direct.items():
        affected = set(direct_names)
        queue = list(affected)
        while queue:
            new_names = set(direct[queue.pop()]) - affected
            affected |= new_names
            queue += new_names
        by_service[name] = tuple(sorted(affected - {name}, key=order.__getitem__))
    return by_service
