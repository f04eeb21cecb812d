"""The soak run kills processes of the stacks that it has started, and counts what is left."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.real("postgres", "valkey")
def test_a_kill_leaves_nothing(benchmark: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    # The path is short, because the path of a socket has at most 103 bytes.
    with tempfile.TemporaryDirectory(prefix="soak-", dir="/tmp") as temporary:
        monkeypatch.setenv("TMPDIR", temporary)

        # With this seed, the first round kills a pytest process that runs tests. One round is then enough.
        output = benchmark("soak", "--kills", "1", "--jobs", "1", "--seed", "9")

        left = list(Path(temporary).iterdir())

    kills = re.search(r"kills: (\d+); left over: nothing", output)
    assert kills is not None, output
    assert int(kills[1]) >= 1
    assert not left
