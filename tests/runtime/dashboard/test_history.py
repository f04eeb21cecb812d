"""The journal of the stack as the pages show it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the minimal profile has no web framework")

from infra_runtime.dashboard import history
from infra_runtime.data_directory.journal import Journal


@pytest.fixture
def path(tmp_path: Path) -> str:
    """The path of the journal of a stack that has started once."""
    journal = Journal(str(tmp_path / "journal.jsonl"), lambda: 1_780_000_000.5)
    journal.write("up")
    journal.close()
    return str(tmp_path / "journal.jsonl")


def test_the_starts_of_the_stack_are_read(path: str) -> None:
    assert history.starts(path) == [1_780_000_000.5]


def test_a_journal_that_is_not_ours_contains_no_events(path: str, tmp_path: Path) -> None:
    link = tmp_path / "link.jsonl"
    link.symlink_to(path)

    assert history.starts(str(link)) == []
    assert history.last_start(str(link)) is None
