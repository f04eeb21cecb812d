"""Projects: the files of an image, and the tags from version, branch and commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from infra_runtime.engines.output import first_line
from infra_runtime.errors import ConfigurationError
from infra_runtime.images.project import Project, code_files, created, read_project


def test_local_state_and_the_patterns_of_dockerignore_are_left_out(tmp_path: Path) -> None:
    for name in (
        *("shop/app.py", "shop/__pycache__/app.pyc", "shop/deep/notes.txt", "static/.well-known"),
        *(".git/config", ".env", ".env.local", ".data/x", "docs/a.md", "dist/images/x"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / ".dockerignore").write_text("# comment\ndocs\n**/*.txt\n")

    files = code_files(tmp_path, without=[tmp_path / "dist" / "images"])

    assert files == [
        ".dockerignore", "dist", "shop", "shop/app.py", "shop/deep", "static", "static/.well-known",
    ]  # fmt: skip


def test_exported_secrets_are_left_out(tmp_path: Path) -> None:
    for engine in ("compose", "kubernetes", "procfile"):
        folder = tmp_path / "deploy" / engine
        (folder / "secrets").mkdir(parents=True)
        (folder / "secrets" / "postgres-password").write_text("s3cret")
        (folder / ".gitignore").write_text(f"{first_line(engine)}/secrets/\n")
    (tmp_path / "deploy" / ".gitignore").write_text("*.log\n")

    assert code_files(tmp_path) == ["deploy", "deploy/.gitignore"]


def test_the_secrets_of_an_export_into_the_project_are_left_out(tmp_path: Path) -> None:
    for folder in ("secrets", "overlays/dev/secrets"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "postgres-password").write_text("s3cret")
    (tmp_path / ".gitignore").write_text(f"{first_line('kubernetes')}/overlays/dev/secrets/\n")
    (tmp_path / "app.py").touch()

    assert code_files(tmp_path) == [".gitignore", "app.py", "overlays", "overlays/dev"]


def test_an_exception_in_dockerignore_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("docs\n!docs/a.md\n")

    with pytest.raises(ConfigurationError, match=r"the pattern '!docs/a\.md' is not supported"):
        code_files(tmp_path)


def test_the_tags_are_version_branch_and_commit() -> None:
    project = Project(root=Path(), name="shop", version="1.2+local", branch="feature/x", revision="abc-dirty")

    assert project.tags() == ["1.2-local", "feature-x", "abc-dirty"]
    assert Project(root=Path(), name="shop").tags() == ["latest"]


def test_the_time_of_the_files_is_source_date_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra_runtime.images.project._git", lambda *_: "")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1750000000")
    project = read_project(tmp_path, tmp_path / "dist")

    assert created(project) == "2025-06-15T15:06:40Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(ConfigurationError, match="SOURCE_DATE_EPOCH: 'yesterday' must be a number"):
        read_project(tmp_path, tmp_path / "dist")


@pytest.mark.process
def test_the_commit_is_marked_when_files_differ_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    for name, value in {"NAME": "a", "EMAIL": "a@example.com", "DATE": "1750000000 +0000"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)

    def git(*words: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True, capture_output=True, timeout=300)

    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "0.1"\n')
    git("init", "--initial-branch", "main")
    git("add", ".")
    git("commit", "--message", "first")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "image").touch()
    clean = read_project(tmp_path, tmp_path / "dist")
    (tmp_path / "app.py").touch()
    dirty = read_project(tmp_path, tmp_path / "dist")

    assert (clean.name, clean.version, clean.branch, clean.epoch) == ("shop", "0.1", "main", 1_750_000_000)
    assert len(clean.revision) == 40
    assert dirty.revision == f"{clean.revision}-dirty"
