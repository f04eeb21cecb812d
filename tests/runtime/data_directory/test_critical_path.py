"""The times of a start, and its critical path."""

from __future__ import annotations

from typing import Any

from infra_runtime.data_directory.critical_path import last_start
from infra_runtime.messages import Event


def life(*events: str) -> list[Event]:
    """Return events from `TIME EVENT [SERVICE]`, and for requests `TIME wanted SERVICE:NEED,NEED …`."""
    events_of_run = []
    for text in events:
        time, event, *rest = text.split()
        record: dict[str, Any] = {"time": float(time), "event": event}
        if event == "wanted":
            pairs = [word.partition(":") for word in rest]
            record["needs"] = {name: [need for need in needs.split(",") if need] for name, _, needs in pairs}
            record["services"] = list(record["needs"])
        elif rest:
            record["service"] = rest[0]
        events_of_run.append(Event.parse(record))
    return events_of_run


CHAIN = life(
    "10.0 up",
    "10.1 wanted db cache api:db,cache",
    "10.1 preparing db",
    "10.1 preparing cache",
    "10.2 spawned cache",
    "10.3 ready cache",
    "10.4 spawned db",
    "10.6 ready db",
    "10.6 preparing api",
    "10.7 spawned api",
    "11.1 ready api",
)


def test_each_service_has_its_times() -> None:
    start = last_start(CHAIN)

    assert start is not None
    api = start.shares[-1]
    assert (api.service, api.waiting, api.preparing, api.starting, api.ended) == ("api", 0.5, 0.1, 0.4, 1.0)
    assert (start.boot, start.seconds) == (0.1, 1.0)


def test_the_critical_path_contains_the_need_that_was_ready_last() -> None:
    start = last_start(CHAIN)

    assert start is not None
    assert start.chain == ("db", "api")


def test_the_last_request_that_started_a_service_counts() -> None:
    later = life(
        "20.0 wanted extra", "20.1 preparing extra", "20.2 spawned extra", "20.5 done extra", "30.0 wanted db"
    )
    start = last_start(CHAIN + later)

    assert start is not None
    assert [share.service for share in start.shares] == ["extra"]
    assert (start.boot, start.seconds) == (0.0, 0.5)
    assert start.shares[0].outcome == "done"


def test_a_later_restart_does_not_change_the_times_of_a_start() -> None:
    start = last_start(CHAIN + life("50.0 preparing db", "50.1 spawned db", "50.2 ready db"))

    assert start is not None
    assert start.seconds == 1.0


def test_a_failed_or_pending_start_has_that_outcome() -> None:
    start = last_start(
        life("1 up", "1 wanted a b", "1 preparing a", "1 preparing b", "1.5 spawned a", "2 failed a")
    )

    assert start is not None
    assert {share.service: share.outcome for share in start.shares} == {"a": "failed", "b": "pending"}


def test_without_a_start_the_result_is_none() -> None:
    assert last_start([]) is None
    assert last_start(life("1 up", "2 wanted a")) is None
