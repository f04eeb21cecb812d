"""The files of an entry of the store: unpack the artefacts, locate the programs, keep the licences."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

from infra_runtime.binaries import unpacking
from infra_runtime.binaries.lockfile import Locked
from infra_runtime.binaries.recipe import Recipe
from infra_runtime.binaries.sources import debian, go, maven
from infra_runtime.errors import InstallError

#: the folders that are searched first for a program
_FOLDERS = ("*.data/scripts", "bin", "usr/bin", "usr/sbin", "sbin", ".")
#: the beginnings of the file names of licences, in lower case
_LICENCE_NAMES = ("licen", "copying", "copyright", "notice", "third_party", "third-party")
#: the largest size of a licence text in bytes; larger files are not licences
_LICENCE_LIMIT = 4 << 20


def unpack(locked: Locked, downloads: Path, folder: Path) -> None:
    """Unpack the verified artefacts of a lock entry into `root`, and the C library of Debian into `glibc`.

    If an artefact is a program and not an archive, it is copied, and the copy has the name of the recipe.
    Jars are copied to the folder `lib`. The modules of Go are not unpacked.
    """
    (folder / "root").mkdir()
    for artefact in locked.artefacts:
        path = downloads / artefact.file_name
        if artefact.registry == maven.NAME:
            target = folder / "root" / maven.JARS / artefact.path.rpartition("/")[2]
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, target)
            continue
        if artefact.registry == go.NAME:
            continue
        subfolder = "glibc" if artefact.registry == "debian" and artefact.name == debian.GLIBC else "root"
        if artefact.registry == "url" and unpacking.is_program(path):
            unpacking.unpack_plain(path, folder / subfolder, locked.recipe)
        else:
            unpacking.unpack(path, folder / subfolder)


def locate(recipe: Recipe, source: str, folder: Path) -> dict[str, str]:
    """Return a mapping from program to path below `folder`, and make the programs executable.

    `source` is the source of the lock entry: programs of Maven and Go are always in the folder `bin`.

    Raises `InstallError` if the unpacked files do not contain a program.
    """
    programs = {}
    for name, target in recipe.programs.items():
        pattern = f"bin/{name}" if source in {maven.NAME, go.NAME} else target
        path = next(_candidates(folder / "root", name, pattern), None)
        if path is None:
            location = f" at {pattern}" if pattern else ""
            raise InstallError(recipe.name, f"the unpacked files do not contain the program {name}{location}")
        path.chmod(0o755)
        _check_interpreter(recipe, path)
        programs[name] = str(path.relative_to(folder))
    return programs


def _check_interpreter(recipe: Recipe, path: Path) -> None:
    """Raise `InstallError` for a Python script, or for a script of Node.js if Node.js is not on PATH.

    The first line of a Python script in a wheel is `#!python`. pip replaces this line, `infra bin install`
    does not. Source: PEP 427.
    """
    with path.open("rb") as file:
        first_line = file.readline(200)
    if first_line.startswith(b"#!") and first_line.split()[-1:] == [b"node"] and not shutil.which("node"):
        raise InstallError(
            recipe.name, f"{path.name} needs Node.js, which is not on PATH", "Install Node.js."
        )
    if first_line.startswith(b"#!python"):
        problem = f"{path.name} is a Python script, which needs the installed package of its wheel"
        raise InstallError(recipe.name, problem, "Install the wheel with pip.")


def _candidates(root: Path, name: str, pattern: str) -> Iterator[Path]:
    patterns = [pattern] if pattern else [*(f"{folder}/{name}" for folder in _FOLDERS), f"**/{name}"]
    for candidate in patterns:
        for path in sorted(root.glob(candidate), key=lambda path: len(path.parts)):
            real = path.resolve()
            if real.is_file() and real.is_relative_to(root.resolve()):
                yield path


def collect_licences(folder: Path) -> None:
    """Copy the licence texts in the unpacked files to the folder `licences`."""
    into = folder / "licences"
    into.mkdir()
    for subfolder in ("root", "glibc"):
        for parent, _, names in os.walk(folder / subfolder):
            for name in names:
                path = Path(parent) / name
                if name.lower().startswith(_LICENCE_NAMES) and _is_text(path):
                    relative = path.relative_to(folder / subfolder)
                    package = _package(relative)
                    shutil.copyfile(path, into / f"{package}-{name}")


def collect_packed_licences(locked: Locked, downloads: Path, folder: Path) -> None:
    """Copy the licence texts in jars and in Go modules to the folder `licences`."""
    for artefact in locked.artefacts:
        path = downloads / artefact.file_name
        if artefact.registry not in {maven.NAME, go.NAME} or not zipfile.is_zipfile(path):
            continue
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                name = member.filename.rpartition("/")[2]
                if name.lower().startswith(_LICENCE_NAMES) and 0 < member.file_size <= _LICENCE_LIMIT:
                    package = artefact.name.replace("/", "-").replace(":", "-")
                    (folder / "licences" / f"{package}-{name}").write_bytes(archive.read(member))


def _package(path: Path) -> str:
    """Return the name of the package of a licence file, which is part of the path of the file."""
    for part in path.parts:
        if part.endswith(".dist-info"):
            return part.removesuffix(".dist-info")
    parent = path.parts[-2] if len(path.parts) > 1 else "archive"
    return parent.replace(os.sep, "-")


def _is_text(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size <= _LICENCE_LIMIT
