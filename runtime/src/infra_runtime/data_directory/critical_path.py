"""Compute the start times of services, and the services that determined the total time (critical path)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from infra_runtime.messages import Event
from infra_runtime.value import frozen

#: the events that end the start of a service
ENDS = ("ready", "done", "failed")


@frozen
class Share:
    """The times that one service spent waiting, preparing and starting, in seconds."""

    service: str
    #: until the services that the service needs were ready
    waiting: float
    #: in the steps that prepare the service: files, seeds, commands
    preparing: float
    #: from the start of the service's process to the first successful probe, or to the end of the start
    starting: float
    #: from the request to the end of the service's start; if the start is pending, to its last event so far
    ended: float
    #: ready | done | failed | pending
    outcome: str
    needs: tuple[str, ...]


@frozen
class Start:
    """One start of a stack or of several services, with the times of each service."""

    #: Unix time of the request, in seconds
    began: float
    #: seconds from the supervisor's first event to the request; 0 if the supervisor has received an earlier
    #: request
    boot: float
    #: seconds from the request until the last service was ready, done or had failed
    seconds: float
    #: the services, in the order in which their starts ended
    shares: tuple[Share, ...]
    #: the critical path: the names of services; each service waited for the previous service
    chain: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return this start as JSON data, for the output of `infra runtime analyze --json`."""
        return asdict(self)


def last_start(run: Sequence[Event]) -> Start | None:
    """Return the last start in the events of one supervisor; None if no service was prepared."""
    requests = [number for number, event in enumerate(run) if event.event == "wanted"]
    for number in reversed(requests):
        if (start := _start(run, number)) is not None:
            return start
    return None


def _start(run: Sequence[Event], request_number: int) -> Start | None:
    request_time, needs = run[request_number].time, dict(run[request_number].needs)
    times: dict[str, dict[str, float]] = {}
    for event in run[request_number + 1 :]:
        if event.event == "wanted":
            needs |= event.needs
        service_times = times.get(event.service, {})
        # Only the first start of a service is counted: it may be prepared again for another port, or restart
        # later.
        if event.service in needs and not service_times.keys() & set(ENDS):
            if event.event in {"preparing", "spawned"}:
                times.setdefault(event.service, {}).setdefault(event.event, event.time)
            elif event.event in ENDS:
                times.setdefault(event.service, {})[event.event] = event.time
    shares = sorted(
        (
            _share(name, event_times, request_time, tuple(needs[name]))
            for name, event_times in times.items()
            if "preparing" in event_times
        ),
        key=lambda share: share.ended,
    )
    if not shares:
        return None
    is_first = request_number == next(number for number, event in enumerate(run) if event.event == "wanted")
    return Start(
        began=request_time,
        boot=round(request_time - run[0].time, 6) if is_first else 0.0,
        seconds=shares[-1].ended,
        shares=tuple(shares),
        chain=_chain(shares),
    )


def _share(name: str, times: Mapping[str, float], request_time: float, needs: tuple[str, ...]) -> Share:
    outcome = next((end for end in ENDS if end in times), "pending")
    end = times.get(outcome, times.get("spawned", times["preparing"]))
    spawned = times.get("spawned", end)
    return Share(
        service=name,
        waiting=round(times["preparing"] - request_time, 6),
        preparing=round(spawned - times["preparing"], 6),
        starting=round(end - spawned, 6),
        ended=round(end - request_time, 6),
        outcome=outcome,
        needs=needs,
    )


def _chain(shares: Iterable[Share]) -> tuple[str, ...]:
    """Return the names of the services on the critical path.

    The last name is the service whose start ended last. The name before a service is, of all services that
    it needs and that this start includes, the service whose start ended last.
    """
    by_name = {share.service: share for share in shares}
    latest = max(by_name.values(), key=lambda share: share.ended)
    chain = [latest.service]
    while needs := [by_name[need] for need in latest.needs if need in by_name]:
        latest = max(needs, key=lambda share: share.ended)
        chain.append(latest.service)
    return tuple(reversed(chain))
