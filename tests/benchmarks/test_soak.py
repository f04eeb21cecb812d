"""The soak run kills processes of the stacks that it has started, and counts what is left."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Return a folder with a short path: the path of a socket has at most 103 bytes."""
    with tempfile.TemporaryDirectory(prefix="soak-", dir="/tmp") as name:
        yield Path(name)


@pytest.mark.usefixtures("caches")
@pytest.mark.real("postgres", "valkey")
def test_a_round_with_a_killed_pytest_process_leaves_nothing(
    checkout: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(temporary))

    # With this seed, the first round kills a pytest process that runs tests. One round is then enough.
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", "--kills", "1", "--jobs", "1", "--seed", "9"],
        cwd=checkout, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert result.returncode == 0, result.stdout + result.stderr
    kills = re.search(r"kills: (\d+); left over: nothing", result.stdout)
    assert kills is not None, result.stdout
    assert int(kills[1]) >= 1
    assert not list(temporary.iterdir())
