"""Where the time of a start went: each service's share, and the chain that none could be faster than."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from infra_runtime.messages import Event

#: events with which a service has come to the end of its start
ENDS = ("ready", "done", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One service's part of a start, in seconds."""

    service: str
    #: for what it needs
    waiting: float
    #: files, seeds, steps
    preparing: float
    #: from its process to the answer of its protocol
    starting: float
    #: since the order was given
    ended: float
    #: ready | done | failed | pending
    outcome: str
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start of several services."""

    #: Unix seconds when the order came
    began: float
    #: from the supervisor's first event to the order; 0 when it had been up before
    boot: float
    #: from the order to the end of the last service
    seconds: float
    #: in the order in which they were ready
    shares: tuple[Share, ...]
    #: the services that each waited for the one before, ending with the last
    chain: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The start as plain data."""
        return asdict(self)


def last_start(run: Sequence[Event]) -> Start | None:
    """Return the last request of a run for which a service was prepared; None when there was none."""
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
        known = moments.get(event.service, {})
        # A service may be prepared again for another port, and started again later: its first end counts.
        if event.service in needs and not known.keys() & set(ENDS):
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
    first = number == next(place for place, event in enumerate(run) if event.event == "wanted")
    return Start(
        began=began,
        boot=round(began - run[0].time, 6) if first else 0.0,
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
    """From the last service back to the need that was ready last, and so on."""
    known = {share.service: share for share in shares}
    last = max(known.values(), key=lambda share: share.ended)
    chain = [last.service]
    while waited := [known[need] for need in last.needs if need in known]:
        last = max(waited, key=lambda share: share.ended)
        chain.append(last.service)
    return tuple(reversed(chain))
