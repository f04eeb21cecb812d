"""The project whose image is built: its files, name, version, branch and revision."""

from __future__ import annotations

import fnmatch
import os
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from infra_runtime.engines.output import SECRETS, is_export
from infra_runtime.engines.project import project_name, project_version
from infra_runtime.errors import ConfigurationError
from infra_runtime.images.reference import as_tag
from infra_runtime.value import frozen

#: the patterns of file names that are left out of images in every folder: local state, caches, Python
#: environments, repositories
IGNORED = (
    *(".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", "*.pyc", "*.egg-info"),
    *(".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".tox", ".nox"),
    *(".data", ".data-test", ".env", ".env.*"),
)
#: the folder of the images, relative to the folder of the stack file; it is not part of an image
OUTPUT = Path("dist") / "images"
#: the name of a file in the folder of the stack file that contains further patterns, as for Docker
IGNORE_FILE = ".dockerignore"
_TIMEOUT = 30


@frozen
class Project:
    """A project: the folder with the stack file, and the version, branch and revision of its code."""

    root: Path
    name: str
    #: `project.version` in pyproject.toml; empty without a version
    version: str = ""
    #: the hash of the commit, with `-dirty` if files differ from the commit; empty without git
    revision: str = ""
    branch: str = ""
    #: the time of all files in the new layers of the image, in seconds since 1970
    epoch: int = 0

    def tags(self) -> list[str]:
        """Return the tags of an image: version, branch and revision; `latest` if none of these is known."""
        names = (self.version, self.branch, self.revision)
        return list(dict.fromkeys(filter(None, map(as_tag, names)))) or ["latest"]


def created(project: Project) -> str:
    """Return the time of a project's files in the notation of RFC 3339."""
    return datetime.fromtimestamp(project.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_project(root: Path, output: Path) -> Project:
    """Return the project in a folder; files in `output`, the folder of the images, do not count as changes.

    The time of the files is SOURCE_DATE_EPOCH; without this variable, the time of the commit; without git, 0.
    """
    revision = _git(root, "rev-parse", "HEAD")
    outputs = [OUTPUT, *([output.relative_to(root)] if output.is_relative_to(root) else [])]
    excluded_paths = [f":(exclude){path}" for path in outputs]
    dirty = bool(revision) and bool(_git(root, "status", "--porcelain", "--", ".", *excluded_paths))
    return Project(
        root=root,
        name=project_name(root),
        version=project_version(root),
        revision=f"{revision}-dirty" if dirty else revision,
        branch=_git(root, "symbolic-ref", "--short", "--quiet", "HEAD"),
        epoch=source_date_epoch(_git(root, "log", "-1", "--format=%ct") or "0"),
    )


def source_date_epoch(default: str = "0") -> int:
    """Return the seconds since 1970 in SOURCE_DATE_EPOCH; `default` if the variable is not set.

    Raises `ConfigurationError` if the variable does not contain a number of seconds.

    Source: reproducible-builds.org, "SOURCE_DATE_EPOCH Specification".
    """
    text = os.environ.get("SOURCE_DATE_EPOCH") or default
    if text.isascii() and text.isdigit() and int(text) < 1 << 33:  # USTAR has 33 bits for a time
        return int(text)
    raise ConfigurationError(
        f"{text!r} must be a number of seconds since 1970",
        where="SOURCE_DATE_EPOCH",
        hint="Set the variable to a number such as 1750000000, or remove it.",
    )


def _git(root: Path, *arguments: str) -> str:
    """Return the output of git; empty if git is missing or fails, for example outside of a repository."""
    try:
        process = subprocess.run(
            ["git", "-C", str(root), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return process.stdout.strip() if process.returncode == 0 else ""


def code_files(root: Path, *, without: Sequence[Path] = ()) -> list[str]:
    """Return the sorted paths of the files, folders and links for an image, relative to the project.

    Paths that match a pattern in `IGNORED` or `.dockerignore`, and the folders in `without`, are left out.
    The folders of exports are also left out, because they can contain secrets. A pattern in `.dockerignore`
    matches a path relative to the project; with `**/`, it matches a name in any folder. Exceptions (`!`) are
    not supported: they raise `ConfigurationError`.
    """
    patterns = _patterns(root / IGNORE_FILE)
    folders = {path.absolute() for path in (*without, root / OUTPUT)}
    if is_export(root):
        folders |= {path.absolute() for path in (root / SECRETS, *root.glob(f"overlays/*/{SECRETS}"))}
    return sorted(_walk(root, "", patterns, folders))


def _walk(root: Path, folder: str, patterns: Sequence[str], without: set[Path]) -> Iterator[str]:
    for entry in os.scandir(root / folder):
        path = f"{folder}/{entry.name}".lstrip("/")
        is_ignored = any(fnmatch.fnmatchcase(entry.name, pattern) for pattern in IGNORED)
        if is_ignored or _matches(path, patterns) or root / path in without or is_export(root / path):
            continue
        yield path
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, path, patterns, without)


def _matches(path: str, patterns: Sequence[str]) -> bool:
    name = path.rpartition("/")[2]
    return any(
        fnmatch.fnmatchcase(name, pattern.removeprefix("**/")) if pattern.startswith("**/")
        else fnmatch.fnmatchcase(path, pattern)
        for pattern in patterns
    )  # fmt: skip


def _patterns(path: Path) -> list[str]:
    if not path.is_file():
        return []
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    patterns = [line for line in lines if line and not line.startswith("#")]
    if exception := next((pattern for pattern in patterns if pattern.startswith("!")), ""):
        raise ConfigurationError(
            f"the pattern {exception!r} is not supported, because it begins with `!`",
            where=str(path),
            hint="Write patterns that do not need exceptions.",
        )
    return [pattern.strip("/") for pattern in patterns]
