"""Forwarding continues after errors. `tests/runtime/services/test_log_forwarder.py` has a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

forwarding = pytest.importorskip("infra_runtime.logs.forwarding", reason="needs the extra `nats`")


def delays_until_the_last_error(monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> list[float]:
    """Forward with a server to which each attempt fails, and return the seconds between the attempts."""
    left: Iterator[Exception] = iter(errors)
    delays = list[float]()

    async def connect(_url: str) -> None:
        raise next(left, asyncio.CancelledError())

    async def sleep(seconds: float) -> None:
        delays.append(seconds)

    monkeypatch.setattr(forwarding.stream, "connect", connect)
    monkeypatch.setattr(forwarding.asyncio, "sleep", sleep)
    settings = forwarding.Settings(url="nats://127.0.0.1:1", folder=Path("logs"))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(forwarding.forward(settings))
    return delays


def test_a_problem_is_printed_once_until_there_is_another_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused, full = OSError("refused"), forwarding.NotStoredError("the stream is full")

    delays_until_the_last_error(monkeypatch, refused, refused, full, full, TimeoutError(), refused)

    assert capsys.readouterr().err.splitlines() == [
        f"lines are not forwarded: {reason}"
        for reason in ("refused", "the stream is full", "TimeoutError", "refused")
    ]


def test_the_attempts_to_connect_become_less_frequent_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    delays = delays_until_the_last_error(monkeypatch, *[OSError("refused")] * 8)

    assert delays[:3] == [forwarding.RETRY, forwarding.RETRY * 2, forwarding.RETRY * 4]
    assert delays[-2:] == [forwarding.LONGEST_RETRY] * 2
