"""A telemetry service without a process, and a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from fakes.chromium import chromium
from fakes.telemetry import Answers
from infra_runtime.dashboard import telemetry

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: all tabs share one process that draws their pages, because a new process for each tab is slow
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--renderer-process-limit=1")


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    answers = Answers()
    monkeypatch.setattr(telemetry, "_ask", answers.ask)
    return answers


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. While it runs, the thread of the tests has an event loop, so `asyncio.run` fails in it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield browser
        browser.close()
