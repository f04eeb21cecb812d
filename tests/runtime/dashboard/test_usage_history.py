"""The history of the figures of services: time ranges, services that end, and the bound of the memory."""

from __future__ import annotations

from infra_runtime.dashboard.usage import Usage
from infra_runtime.dashboard.usage_history import UsageHistory


def usage(memory: int, cpu: float | None = 0.5) -> Usage:
    return Usage(cpu=cpu, memory=memory)


def test_the_samples_of_a_time_range_are_returned_without_unknown_values() -> None:
    history = UsageHistory()
    history.add(10, {"db": usage(1, None)})
    history.add(20, {"db": usage(2), "api": usage(9)})
    history.add(30, {"api": usage(8)})

    assert history.read("memory", 0, 99) == {"db": [(10, 1), (20, 2)], "api": [(20, 9), (30, 8)]}
    assert history.read("memory", 15, 25) == {"db": [(20, 2)], "api": [(20, 9)]}
    assert history.read("cpu", 0, 15) == {}
    assert history.read("written", 0, 99) == {}


def test_a_sample_that_follows_too_early_is_left_out() -> None:
    history = UsageHistory()

    for time in (10, 11, 15):
        history.add(time, {"db": usage(time)})

    assert history.read("memory", 0, 99) == {"db": [(10, 10), (15, 15)]}


def test_the_oldest_samples_and_services_without_samples_are_removed() -> None:
    history = UsageHistory(samples=4)
    history.add(10, {"old": usage(1)})

    for number in range(2, 10):
        history.add(10 * number, {"db": usage(number)})

    assert history.read("memory", 0, 999) == {"db": [(60, 6), (70, 7), (80, 8), (90, 9)]}
    assert [*history._rings] == ["db"]
