"""Occurrences: each kind of event is reported at most once per interval, with the number of events."""

from __future__ import annotations

from fakes.clock import Clock
from infra_runtime.occurrences import Occurrences


def test_the_first_event_is_reported_and_the_next_after_the_interval_with_the_number() -> None:
    clock = Clock()
    occurrences = Occurrences(60, clock=clock)

    first, second = occurrences.add("a"), occurrences.add("a", 3)
    other = occurrences.add("b")
    clock.now = 60

    assert (first, second, other, occurrences.add("a")) == (1, 0, 1, 4)


def test_events_that_were_not_reported_are_due_after_the_interval() -> None:
    clock = Clock()
    occurrences = Occurrences(60, clock=clock)
    for kind in ("a", "a", "a", "b"):
        occurrences.add(kind)

    early = occurrences.due()
    clock.now = 60

    assert (early, occurrences.due(), occurrences.due()) == ({}, {"a": 2}, {})


def test_above_the_limit_all_kinds_are_removed() -> None:
    occurrences = Occurrences(60, clock=Clock(), kinds=2)
    for kind in ("a", "b", "c"):
        occurrences.add(kind)

    assert (occurrences.add("c"), occurrences.add("a")) == (0, 1)
