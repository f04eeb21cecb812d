"""The option with which pytest installs missing servers; without it, pytest downloads nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.artefacts import Files, locked, serving, tar
from fakes.suite import Suite
from infra_runtime.binaries import lockfile
from infra_runtime.binaries.platforms import current

pytestmark = pytest.mark.nested
CONTENT = tar({"bin/tool": b"#!/bin/sh\nexec sleep 600\n"})


@pytest.fixture
def files() -> Iterator[Files]:
    with serving() as served:
        yield served


@pytest.fixture
def app(suite: Suite, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A suite with a test of a service whose program is missing, and the locked recipe of the program."""
    monkeypatch.setenv("INFRA_BINARIES", str(tmp_path / "binaries"))
    monkeypatch.delenv("CI", raising=False)
    entry = locked("tool", files.add("tool.tar.gz", CONTENT), CONTENT)
    archive = f'{{ url = "{entry.artefacts[0].path}", sha256 = "{entry.artefacts[0].sha256}" }}'
    suite.stack(
        'use = ["app"]\n'
        '[services.app]\ncommand = ["${bin.tool}"]\n'
        '[binaries.tool]\nprograms = ["tool"]\nlicence = "MIT"\nversion = "1.0"\n'
        f"archive.{current()} = {archive}\n"
    )
    lockfile.write(Path(suite.root) / lockfile.NAME, lockfile.EMPTY.updated([entry]))
    suite.test("def test_it(app): assert app.data")
    return suite


@pytest.mark.parametrize("option", ["--infra-install=yes", "-oinfra_install=yes"])
def test_the_option_installs_a_missing_server(app: Suite, files: Files, option: str) -> None:
    result = app.run(option)

    result.assert_outcomes(passed=1)
    assert [path for path, _ in files.requests] == ["tool.tar.gz"]


def test_nothing_is_downloaded_without_the_option(app: Suite, files: Files) -> None:
    result = app.run("-rs")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*tool: not found; searched: *run `infra bin install tool`*"])
    assert files.requests == []


def test_the_option_accepts_yes_and_no_only(app: Suite) -> None:
    result = app.run("--infra-install=maybe")

    result.stderr.fnmatch_lines(["ERROR: infra_install: 'maybe' is neither `yes` nor `no`"])
