"""The services that a changed file affects, and the folders to watch."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.samples import every
from infra_cli import file_watcher
from infra_cli.file_watcher import affected_services, folders, pattern, require_watchfiles
from infra_runtime.errors import BinaryMissingError


@every(
    [
        ("*.py", "app.py", True),
        ("*.py", "src/app.py", False),
        ("src/**/*.py", "src/app.py", True),
        ("src/**/*.py", "src/a/b/app.py", True),
        ("src/**/*.py", "src/app.txt", False),
        ("**/*.sql", "migrations/1.sql", True),
        ("src", "src/a/b.txt", True),
        ("src/", "src/b.txt", True),
        ("./src/*.py", "src/a.py", True),
        ("a+b/?.py", "a+b/c.py", True),
        ("a+b/?.py", "aab/c.py", False),
    ]
)
def test_a_glob_matches_the_expected_paths(glob: str, path: str, matches: bool) -> None:
    assert bool(pattern(glob).fullmatch(path)) is matches


def test_a_changed_file_affects_the_services_that_watch_it(tmp_path: Path) -> None:
    globs = {"api": ("src/**/*.py",), "web": ("static/**",), "both": ("**/*.py", "static/*.css")}

    assert affected_services([str(tmp_path / "src" / "x.py")], tmp_path, globs) == ["api", "both"]
    assert affected_services([str(tmp_path / "static" / "x.css")], tmp_path, globs) == ["web", "both"]
    assert affected_services([str(tmp_path.parent / "x.py")], tmp_path, globs) == []


def test_only_the_necessary_folders_are_watched(tmp_path: Path) -> None:
    (tmp_path / "src" / "app").mkdir(parents=True)
    (tmp_path / "migrations").mkdir()
    globs = ["src/**/*.py", "src/app/*.py", "migrations/*.sql"]

    assert folders(tmp_path, globs) == [tmp_path / "migrations", tmp_path / "src"]
    assert folders(tmp_path, ["not-yet/*.py"]) == [tmp_path]


def test_the_error_names_the_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_watcher.importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(BinaryMissingError) as caught:
        require_watchfiles()

    assert "pytest-infra[watch]" in caught.value.hint
