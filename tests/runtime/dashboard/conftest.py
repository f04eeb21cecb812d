"""A telemetry service without a process."""

from __future__ import annotations

import pytest

from fakes.telemetry import Answers
from infra_runtime.dashboard import telemetry


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    answers = Answers()
    monkeypatch.setattr(telemetry, "_ask", answers.ask)
    return answers
