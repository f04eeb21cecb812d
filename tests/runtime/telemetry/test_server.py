"""The function of the process, without sockets. `services/test_telemetry.py` has the whole service."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="needs the extra `telemetry`")

from infra_runtime.telemetry.error_alerts import ErrorAlerts
from infra_runtime.telemetry.limits import Limits
from infra_runtime.telemetry.server import serve


def test_the_log_has_the_file_of_the_records_while_the_service_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is a file, so Python writes a line to it only when its buffer is full."""
    log = tmp_path / "telemetry.log"

    async def first_line() -> str:
        alerts = ErrorAlerts((), interval=60.0)
        serving = asyncio.create_task(serve({}, tmp_path / "runs", "key", Limits(), (), alerts))
        async with asyncio.timeout(60):
            while not log.read_text() and not serving.done():  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0)
        line = log.read_text()
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        return line

    with log.open("w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        line = asyncio.run(first_line())

    [path] = (tmp_path / "runs").glob("*.sqlite3")
    assert line.endswith(f"records in {path}\n")
