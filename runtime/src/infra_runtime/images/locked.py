"""The list of a project's locked packages, from `uv.lock`, `pylock.toml` or requirements with hashes.

Sources: pip documentation, "Requirements File Format"; PEP 751 for `pylock.toml`.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from infra_runtime.errors import ImageError
from infra_runtime.value import frozen

#: the names of lock files, in the order in which they are searched
LOCK_FILES = ("uv.lock", "pylock.toml", "requirements.lock", "requirements.txt")
_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?P<extras>\[[^\]]*\])?\s*==\s*(?P<version>[^\s;]+)\s*(?:;\s*(?P<marker>.*))?"
)
_HASH = re.compile(r"\s--hash[= ](?P<hash>sha256:[0-9a-f]{64})")
_INCLUDED = re.compile(r"(?:-r|--requirement)[\s=]*(?P<path>\S.*)")
_EDITABLE = re.compile(r"(?:-e|--editable)[\s=]*(?P<path>\S.*)")
#: the time limit of `uv export` in seconds; the command does not use the network
_TIMEOUT = 120


@frozen
class Locked:
    """A package with its version and the hashes of its files."""

    name: str
    version: str
    hashes: tuple[str, ...]
    #: the condition under which the package is installed, such as `sys_platform == "win32"`; empty: always
    marker: str = ""

    def requirement(self) -> str:
        """Return the package as lines of a requirements file."""
        marker = f" ; {self.marker}" if self.marker else ""
        hashes = "".join(f" \\\n    --hash={digest}" for digest in self.hashes)
        return f"{self.name}=={self.version}{marker}{hashes}\n"


def find_lock(root: Path) -> Path | None:
    """Return the lock file of a project: the first of `LOCK_FILES` that exists; None without one."""
    return next((root / name for name in LOCK_FILES if (root / name).is_file()), None)


def locked_packages(path: Path, *, uv: Path | None) -> list[Locked]:
    """Return the packages of a lock file, sorted by name. `uv` is the path of uv, which reads `uv.lock`.

    Raises `ImageError` if the file is not a lock, or if a package has no hash; the message contains the name
    of the package.
    """
    if path.name == "uv.lock":
        packages = requirements(_exported(path, uv), path)
    elif path.name.startswith("pylock."):
        packages = list(_pylock(path))
    else:
        packages = [
            package for file, text in _files(path, path, set()) for package in requirements(text, file)
        ]
    return sorted(packages, key=lambda package: (package.name.lower(), package.version))


def requirements(text: str, path: Path) -> list[Locked]:
    """Return the packages in the text of a requirements file with hashes."""
    packages = []
    for line in _lines(text):
        if folder := _EDITABLE.fullmatch(line):
            if folder["path"] == ".":  # the package is the project itself
                continue
            raise ImageError(str(path), f"the package {folder['path']} is a folder, which has no wheel")
        if line.startswith("-"):  # an option, such as --index-url; `_files` reads the files of -r
            continue
        match = _REQUIREMENT.fullmatch(re.sub(r"\s--hash[= ]\S+", "", line).strip())
        hashes = tuple(entry["hash"] for entry in _HASH.finditer(line))
        if not match or not hashes:
            name = re.split(r"[\s=<>~!;\[@]", line, maxsplit=1)[0]
            problem = "has no SHA-256" if match else "is not pinned to a version with `==`"
            raise ImageError(
                str(path),
                f"the package {name} {problem}",
                "Write the file with `uv pip compile --generate-hashes`, or use uv.lock or pylock.toml.",
            )
        marker = (match["marker"] or "").strip()
        packages.append(Locked(name=match["name"], version=match["version"], hashes=hashes, marker=marker))
    return packages


def _files(path: Path, main_file: Path, read_files: set[Path]) -> Iterator[tuple[Path, str]]:
    """Yield path and text of a requirements file, and of each file that it includes with `-r`, once."""
    if path.resolve() in read_files:
        return
    read_files.add(path.resolve())
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ImageError(str(main_file), f"the requirements file {path} cannot be read: {error}") from None
    yield path, text
    for line in _lines(text):
        if included := _INCLUDED.fullmatch(line):
            yield from _files(path.parent / included["path"], main_file, read_files)


def _lines(text: str) -> Iterator[str]:
    """Yield the lines of a requirements file without comments; continued lines are joined."""
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        if content := re.sub(r"(^|\s)#.*", "", line).strip():
            yield content


def _exported(path: Path, uv: Path | None) -> str:
    if uv is None:
        hint = "Install it with `python -m pip install uv`, or write pylock.toml with `uv export`."
        raise ImageError(str(path), "the program uv, which reads uv.lock, is missing", hint)
    command = [
        *(str(uv), "export", "--frozen", "--no-dev", "--no-emit-project", "--no-emit-workspace", "--quiet"),
        *("--no-annotate", "--no-header", "--format", "requirements-txt", "--project", str(path.parent)),
    ]
    return _output(command, str(path))


def _output(command: Sequence[str], location: str) -> str:
    process = subprocess.run(
        list(command), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT, check=False
    )
    if process.returncode:
        raise ImageError(
            location, f"`{' '.join(command[:2])}` failed: {' '.join(process.stderr.split())[:500]}"
        )
    return process.stdout


class _Wheel(BaseModel):
    hashes: Mapping[str, str] = {}


class _Directory(BaseModel):
    path: str
    editable: bool = False


class _Package(BaseModel):
    """A package of `pylock.toml`; other keys of the file have no effect on images."""

    name: str
    version: str = ""
    marker: str = ""
    wheels: Sequence[_Wheel] = ()
    directory: _Directory | None = None
    vcs: Mapping[str, Any] | None = None


class _Pylock(BaseModel):
    packages: Sequence[_Package] = ()


def _pylock(path: Path) -> Iterator[Locked]:
    try:
        document = _Pylock.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first_error = error.errors()[0]
        key = ".".join(map(str, first_error["loc"]))
        raise ImageError(
            str(path), f"the file is not in the format of PEP 751: {key}: {first_error['msg']}"
        ) from None
    except OSError as error:
        raise ImageError(str(path), f"the file cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ImageError(str(path), f"the file is not valid TOML: {error}") from None
    for package in document.packages:
        if package.directory and (package.directory.editable or package.directory.path == "."):
            continue  # the package is the project itself
        if package.directory or package.vcs:
            problem = f"the package {package.name} is a folder or a repository, which has no wheel"
            raise ImageError(str(path), problem)
        hashes = tuple(
            f"sha256:{wheel.hashes['sha256']}" for wheel in package.wheels if "sha256" in wheel.hashes
        )
        if not hashes or not package.version:
            raise ImageError(str(path), f"the package {package.name} has no wheel with a SHA-256")
        yield Locked(name=package.name, version=package.version, hashes=hashes, marker=package.marker)
