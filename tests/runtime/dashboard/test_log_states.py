"""The states of the logs in a folder, which all streams share."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from infra_runtime.dashboard import log_states, log_view
from infra_runtime.dashboard.log_query import Query
from infra_runtime.dashboard.log_states import FRESH, LogStates


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_folder_is_read_once_in_an_interval(tmp_path: Path) -> None:
    clock = Clock()
    states = LogStates(tmp_path, clock)
    assert states.read() == {}
    (tmp_path / "api.log").write_text("one\n", encoding="utf-8")

    early = states.read()
    clock.now = FRESH
    late = states.read()

    assert early == {}
    assert late == {"api": ((tmp_path / "api.log").stat().st_ino, 4)}


def test_the_result_is_the_same_object_until_a_log_changes(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "api.log").write_text("one\n", encoding="utf-8")
    states = LogStates(tmp_path, clock)
    first = states.read()

    clock.now = FRESH
    same = states.read()
    (tmp_path / "api.log").write_text("one two\n", encoding="utf-8")
    clock.now = 2 * FRESH
    changed = states.read()

    assert same is first
    assert changed["api"] == (first["api"][0], 8)


def test_only_logs_of_services_have_a_state(tmp_path: Path) -> None:
    for name in ("api.log", "api.log.1", "api.index", "supervisor.log", "log"):
        (tmp_path / name).touch()
    (tmp_path / "broken.log").symlink_to(tmp_path / "missing")

    assert [*LogStates(tmp_path).read()] == ["api"]


def test_a_folder_that_is_missing_has_no_states(tmp_path: Path) -> None:
    assert LogStates(tmp_path / "missing").read() == {}


def test_fifty_streams_share_one_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "api.log").touch()
    cursor = log_view.page(tmp_path, Query()).last
    (tmp_path / "api.log").write_text("new\n", encoding="utf-8")
    states, readings = LogStates(tmp_path, Clock()), []
    monkeypatch.setattr(log_view, "states_of", lambda _: states)
    original = log_states._states
    monkeypatch.setattr(log_states, "_states", lambda folder: readings.append(folder) or original(folder))

    async def main() -> list[str]:
        streams = [log_view.follow(tmp_path, Query(), cursor) for _ in range(50)]
        views = await asyncio.wait_for(asyncio.gather(*map(anext, streams)), 60)
        for stream in streams:
            await stream.aclose()
        return [line.text for view in views for line, _ in view.lines]

    assert asyncio.run(main()) == ["new"] * 50
    assert readings == [tmp_path]
