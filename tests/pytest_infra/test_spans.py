"""The periods of the waits and fixtures of a test."""

from __future__ import annotations

import time

import pytest

from pytest_infra.spans import Recorder


def test_the_period_of_a_wait_has_its_times_attributes_and_error() -> None:
    recorder = Recorder()
    before = time.time_ns()

    with pytest.raises(TimeoutError), recorder.measured("start db", service="db"):
        raise TimeoutError
    with recorder.measured("isolate db"):
        pass

    failed, isolated = recorder.take()
    assert (failed.name, failed.attributes, failed.error) == ("start db", {"service": "db"}, "TimeoutError")
    assert before <= failed.start <= failed.end <= isolated.start <= isolated.end <= time.time_ns()
    assert isolated.error == ""
    assert failed.is_wait
    assert isolated.is_wait
    assert recorder.take() == []


def test_a_short_fixture_has_a_period_only_if_another_period_began_in_it() -> None:
    recorder = Recorder()
    an_hour = 3600 * 10**9
    start = time.time_ns()

    recorder.add("short", start, shortest=an_hour, attributes={})
    recorder.add("long", start - an_hour, shortest=an_hour, attributes={"scope": "module"}, error="failed")
    with recorder.measured("start db"):
        pass
    recorder.add("around a wait", start, shortest=an_hour, attributes={})

    periods = [(period.name, period.error, period.is_wait) for period in recorder.take()]
    assert periods == [("long", "failed", False), ("start db", "", True), ("around a wait", "", False)]


def test_without_a_store_there_are_no_spans_to_wait_for() -> None:
    assert Recorder().flush(60.0) == ""
