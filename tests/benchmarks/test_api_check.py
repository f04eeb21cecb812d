"""The comparison with oasdiff measures what exists, and lists what is missing."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.api import document, operation

pytestmark = pytest.mark.process

ONE_ROUND = ("--rounds", "1")
OLD = document({"/a": {"get": operation()}, "/b": {"get": operation()}})
NEW = document({"/a": {"get": operation()}})
#: A program with the options and the output of oasdiff.
PEER = """#!/bin/sh
[ "$1" = --version ] && echo "oasdiff version 0" && exit
echo '[{"id": "api-removed", "level": 3}, {"id": "x", "level": 1}]'
"""


@pytest.fixture
def peer(tmp_path: Path) -> str:
    """Return a program that prints findings in the format of oasdiff."""
    path = tmp_path / "oasdiff"
    path.write_text(PEER)
    path.chmod(0o755)
    return str(path)


def row(output: str, tool: str) -> list[str]:
    """Return the columns of the table row of a tool."""
    return next(line.split() for line in output.splitlines() if line.startswith(f"{tool} "))


def test_two_files_are_compared_by_both_tools(
    benchmark: Callable[..., str], tmp_path: Path, peer: str
) -> None:
    for name, content in (("old", OLD), ("new", NEW)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))

    files = f"{tmp_path}/old.json", f"{tmp_path}/new.json"
    output = benchmark("api_check", *ONE_ROUND, "--oasdiff", peer, "shop", "--file", "shop", *files)

    assert row(output, "api-check")[7:10] == ["1", "0", "0"]
    assert row(output, "oasdiff")[7:10] == ["1", "0", "1"]
    assert "equal in all rounds" in output
    assert "not measured" not in output


def test_a_description_is_read_from_a_git_clone(
    benchmark: Callable[..., str], tmp_path: Path, peer: str
) -> None:
    clone = tmp_path / "clone"
    (clone / "specs").mkdir(parents=True)

    def git(*arguments: str, date: str = "2025-01-01T00:00:00Z") -> None:
        author = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false")
        environment = {**os.environ, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        subprocess.run(
            ["git", *author, *arguments], cwd=clone, env=environment, check=True, capture_output=True
        )

    git("init", "-q")
    for content, date in ((OLD, "2024-01-01T00:00:00Z"), (NEW, "2026-01-01T00:00:00Z")):
        (clone / "specs" / "openapi.json").write_text(json.dumps(content))
        git("add", "-A")
        git("commit", "-qm", "now", date=date)

    output = benchmark("api_check", *ONE_ROUND, "--oasdiff", peer, "discord", "--clone", f"discord={clone}")

    assert row(output, "api-check")[7:10] == ["1", "0", "0"]


def test_missing_tools_and_descriptions_are_listed(benchmark: Callable[..., str]) -> None:
    output = benchmark("api_check", *ONE_ROUND, "--oasdiff", "no-such-program", "stripe", "twilio")

    assert "not measured: oasdiff: no-such-program is not installed" in output
    assert "not measured: stripe: needs --clone stripe=DIRECTORY" in output
    assert "not measured: twilio: needs --clone twilio=DIRECTORY" in output
