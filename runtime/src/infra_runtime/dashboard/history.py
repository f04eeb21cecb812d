"""The changes of a service and the last start of the stack, read from the journal."""

from __future__ import annotations

from collections.abc import Sequence

from infra_runtime.dashboard.view import Row
from infra_runtime.data_directory import journal
from infra_runtime.data_directory.critical_path import Start
from infra_runtime.data_directory.critical_path import last_start as start_of
from infra_runtime.messages import Event
from infra_runtime.value import frozen

#: the number of newest runs of the stack that a page offers for the selection of log lines
RUNS = 20
#: the largest number of changes of a service on a page
CHANGES = 50
#: the event of a failed attempt of a probe
PROBE_FAILED = "probe-failed"
#: event → the tone (a class of the style sheet) on a page; other events have no tone
_TONES = {
    "ready": "good",
    "done": "good",
    "failed": "bad",
    "backoff": "warn",
    "killing": "warn",
    "paused": "warn",
}


@frozen
class Change:
    """An event of one service."""

    #: Unix seconds
    time: float
    event: str
    tone: str
    #: the reason, the exit status, or the pid
    detail: str


@frozen
class ProbeResult:
    """The first attempt of a probe with this result since the start of the service's process."""

    #: the time of the attempt in Unix seconds, and the seconds since the start of the process
    time: float
    seconds: float
    is_ready: bool
    #: the reason of the failure; empty if the service was ready
    reason: str


@frozen
class Bar:
    """A phase of a start or of a test; `start` and `width` are in percent of the total duration."""

    phase: str
    start: float
    width: float
    seconds: float


@frozen
class StartRow:
    """The start of one service, as the page shows it."""

    service: str
    outcome: str
    is_critical: bool
    ended: float
    bars: tuple[Bar, ...]


@frozen
class StartView:
    """The last start of the stack, as the page shows it."""

    #: Unix seconds
    began: float
    seconds: float
    chain: tuple[str, ...]
    rows: tuple[StartRow, ...]


def of_service(path: str, service: str) -> tuple[list[Change], list[ProbeResult]]:
    """Return the newest events of a service in the last run of the stack, and the results of its probe.

    The newest events and the newest results come first.
    """
    events = [event for event in journal.last_run(_events(path)) if event.service == service]
    changes = [event for event in events if event.event != PROBE_FAILED]
    return [_change(event) for event in reversed(changes[-CHANGES:])], _probes(events)[: -CHANGES - 1 : -1]


def _probes(events: Sequence[Event]) -> list[ProbeResult]:
    probe_results, spawned = [], 0.0
    for event in events:
        if event.event == "spawned":
            spawned = event.time
        elif spawned and event.event in {PROBE_FAILED, "ready"}:
            probe_results.append(
                ProbeResult(
                    time=event.time,
                    seconds=round(event.time - spawned, 3),
                    is_ready=event.event == "ready",
                    reason=event.reason if event.event == PROBE_FAILED else "",
                )
            )
            if event.event == "ready":
                spawned = 0.0  # a later `ready`, for example after a pause, is not the result of a probe
    return probe_results


def starts(path: str) -> list[float]:
    """Return the Unix times of the newest starts of the stack, the newest first."""
    try:
        return journal.starts(path, RUNS)
    except OSError:  # for example, the file belongs to another user
        return []


def last_start(path: str) -> StartView | None:
    """Return the last start in the journal; None if no service has started."""
    start = start_of(journal.last_run(_events(path)))
    return _start_view(start) if start else None


def start_to_json(start: StartView) -> dict[str, object]:
    """Return the last start as JSON data."""
    return {
        "began": start.began,
        "seconds": start.seconds,
        "critical_path": [*start.chain],
        "services": [
            {
                "name": row.service,
                "outcome": row.outcome,
                "ended": row.ended,
                "phases": {bar.phase: bar.seconds for bar in row.bars},
            }
            for row in start.rows
        ],
    }


def levels(rows: Sequence[Row]) -> list[list[Row]]:
    """Return the rows of services in columns; each service is to the right of all services that it needs.

    The services in a column have the same order as the services that they need, so that few lines cross.
    """
    names = {row.name for row in rows}
    columns: dict[str, int] = {}
    remaining = list(rows)
    while remaining:
        next_rows = [
            row for row in remaining if all(need in columns or need not in names for need in row.needs)
        ]
        # Services that need each other in a cycle cannot start; they are in the last column.
        for row in next_rows or remaining:
            columns[row.name] = 1 + max((columns.get(need, -1) for need in row.needs), default=-1)
        remaining = [row for row in remaining if row.name not in columns]
    count = max(columns.values(), default=-1) + 1
    ordered = []
    positions: dict[str, int] = {}
    for number in range(count):
        column = [row for row in rows if columns[row.name] == number]
        column.sort(
            key=lambda row: sum(positions.get(need, 0) for need in row.needs) / max(len(row.needs), 1)
        )
        positions |= {row.name: position for position, row in enumerate(column)}
        ordered.append(column)
    return ordered


def _events(path: str) -> list[Event]:
    try:
        return journal.recent(path)
    except OSError:  # for example, the file belongs to another user
        return []


def _change(event: Event) -> Change:
    details = []
    if event.reason:
        details.append(event.reason)
    if event.status is not None:
        ended = f"signal {-event.status}" if event.status < 0 else f"status {event.status}"
        details.append(ended)
    if event.pid and event.event in {"early-start", "spawned"}:
        details.append(f"process {event.pid}")
    is_failure = event.event == "exited" and event.status
    tone = "warn" if is_failure else _TONES.get(event.event, "")
    return Change(time=event.time, event=event.event, tone=tone, detail=", ".join(details))


def _start_view(start: Start) -> StartView:
    total = max(start.seconds, 1e-6)
    rows = []
    for share in start.shares:
        bars, elapsed = [], 0.0
        for phase, seconds in (
            ("waiting", share.waiting),
            ("preparing", share.preparing),
            ("starting", share.starting),
        ):
            width = max(seconds, 0.0)
            bars.append(
                Bar(
                    phase=phase,
                    start=round(elapsed / total * 100, 2),
                    width=round(width / total * 100, 2),
                    seconds=round(width, 3),
                )
            )
            elapsed += width
        rows.append(
            StartRow(
                service=share.service,
                outcome=share.outcome,
                is_critical=share.service in start.chain,
                ended=share.ended,
                bars=tuple(bars),
            )
        )
    return StartView(began=start.began, seconds=start.seconds, chain=start.chain, rows=tuple(rows))
