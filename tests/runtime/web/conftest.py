"""Fixtures for tests of the middleware."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def records(tmp_path: Path) -> Iterator[object]:
    """Write the log to a file, and return a function that reads its records."""
    import structlog

    from infra_runtime.web import logs

    level = logging.getLogger().level
    file = tmp_path / "log.jsonl"
    logs.configure_logging(level="debug", style="json", file=file)

    def read() -> list[dict[str, Any]]:
        records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        return [record for record in records if record["logger"] != "asyncio"]  # it logs the start of a loop

    yield read
    logs.remove_handler()
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset the variables that the settings read."""
    monkeypatch.delenv("INFRA_ENV", raising=False)
