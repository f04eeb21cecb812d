"""How long each service needed to start, and the services that determined the total time (critical path)."""

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
    #: waiting until the services that it needs are ready
    waiting: float
    #: running the steps that prepare the service: files, seeds, commands
    preparing: float
    #: from the start of its process to the first successful probe
    starting: float
    #: from the request to the end of the service's start
    ended: float
    #: ready | done | failed | pending
    outcome: str
    needs: tuple[str, ...]


@frozen
class Start:
    """One start of a stack or of several services, with the times of each service."""

    #: Unix time of the request, in seconds
    began: float
    #: seconds from the supervisor's first event to the request; 0 for a later request to the same supervisor
    boot: float
    #: from the request until the last service was ready or failed
    seconds: float
    #: the services, in the order in which they became ready
    shares: tuple[Share, ...]
    #: the critical path: each service waited for the service before it; the last service was ready last
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


def _start(run: Sequence[Event], number: int) -> Start | None:
    began, needs = run[number].time, dict(run[number].needs)
    moments: dict[str, dict[str, float]] = {}
    for event in run[number + 1 :]:
        if event.event == "wanted":
            needs |= event.needs
        recorded = moments.get(event.service, {})
        # A service may be prepared again for another port, and may restart later: only the first start
        # counts.
        if event.service in needs and not recorded.keys() & set(ENDS):
            if event.event in {"preparing", "spawned"}:
                moments.setdefault(event.service, {}).setdefault(event.event, event.time)
            elif event.event in ENDS:
                moments.setdefault(event.service, {})[event.event] = event.time
    shares = sorted(
        (_share(name, at, began, tuple(needs[name])) for name, at in moments.items() if "preparing" in at),
        key=lambda share: share.ended,
    )
    if not shares:
        return None
    is_first = number == next(place for place, event in enumerate(run) if event.event == "wanted")
    return Start(
        began=began,
        boot=round(began - run[0].time, 6) if is_first else 0.0,
        seconds=shares[-1].ended,
        shares=tuple(shares),
        chain=_chain(shares),
    )


def _share(name: str, at: Mapping[str, float], began: float, needs: tuple[str, ...]) -> Share:
    outcome = next((end for end in ENDS if end in at), "pending")
    end = at.get(outcome, at.get("spawned", at["preparing"]))
    spawned = at.get("spawned", end)
    return Share(
        service=name,
        waiting=round(at["preparing"] - began, 6),
        preparing=round(spawned - at["preparing"], 6),
        starting=round(end - spawned, 6),
        ended=round(end - began, 6),
        outcome=outcome,
        needs=needs,
    )


def _chain(shares: Iterable[Share]) -> tuple[str, ...]:
    """Return the names of the services on the critical path.

    The last name is the service that was ready last. Before each name is the service that it needs and that
    was ready last of all services that it needs.
    """
    by_name = {share.service: share for share in shares}
    last = max(by_name.values(), key=lambda share: share.ended)
    chain = [last.service]
    while needs := [by_name[need] for need in last.needs if need in by_name]:
        last = max(needs, key=lambda share: share.ended)
        chain.append(last.service)
    return tuple(reversed(chain))
