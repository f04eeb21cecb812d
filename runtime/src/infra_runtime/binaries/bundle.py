"""Bundles: one tar archive with the artefacts of lock entries, for machines without network.

The archive contains `infra.lock` with the entries, and the artefacts below `artefacts/`. The archive is not
compressed, because the artefacts are.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from infra_runtime.binaries import artefacts, lockfile, platforms
from infra_runtime.binaries.lockfile import EMPTY, Artefact, Locked
from infra_runtime.binaries.recipe import Recipe
from infra_runtime.binaries.store import Store
from infra_runtime.errors import InstallError, IntegrityError

_FOLDER = "artefacts/"


def write(
    path: Path,
    entries: Sequence[Locked],
    store: Store,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Download the artefacts of lock entries and write a bundle. Raises the same errors as `install`."""
    store.prepare()
    with tempfile.TemporaryDirectory(prefix="bundle-", dir=store.folder) as folder:
        artefacts.fetch(entries, Path(folder), counter=artefacts.Counter(progress, entries))
        lock = Path(folder) / lockfile.NAME
        lockfile.write(lock, EMPTY.updated(entries))
        part = path.with_name(f"{path.name}.part")
        try:
            with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as tar:
                tar.add(lock, lockfile.NAME, filter=_plain)
                files = {
                    item.file_name: Path(folder) / entry.recipe / item.file_name
                    for entry in entries
                    for item in entry.artefacts
                }
                for name, file in sorted(files.items()):
                    tar.add(file, _FOLDER + name, filter=_plain)
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            problem = f"cannot be written: {error.strerror or error}"
            raise InstallError(str(path), problem, "Select another file.") from error


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Remove owner, mode and time, so that the same artefacts give the same bundle."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    member.mode = 0o644
    return member


def read(
    path: Path, chosen: Iterable[Recipe], known: Mapping[str, Recipe], store: Store
) -> list[tuple[Recipe, Locked]]:
    """Copy the artefacts of a bundle for this platform to the downloads of a store, and return its entries.

    `chosen` are the recipes to install; if it is empty, all recipes of the bundle. Each artefact is compared
    with the lock of the bundle.

    Raises:
        InstallError: the bundle does not contain a chosen recipe for this platform, or its recipe is unknown.
        IntegrityError: the file is not a bundle, or an artefact differs from its lock.
    """
    store.prepare()
    platform = platforms.current()
    names = {recipe.name for recipe in chosen}
    try:
        with tarfile.open(path, "r:") as tar:
            lock = _lock(tar, path)
            entries = [
                entry
                for (name, where), entry in lock.entries.items()
                if where == platform and (not names or name in names)
            ]
            _check(path, names, lock, entries, known)
            for entry in entries:
                with store.locked(entry.recipe):
                    for artefact in entry.artefacts:
                        _copy(tar, artefact, store.downloads / entry.recipe, path)
    except (tarfile.TarError, KeyError) as error:
        raise IntegrityError(path.name, f"the file is not a complete bundle: {error}", _HINT) from error
    return [(known[entry.recipe], entry) for entry in entries]


def _copy(tar: tarfile.TarFile, artefact: Artefact, folder: Path, path: Path) -> None:
    """Copy an artefact of the bundle `path` to a folder, and compare it with the lock of the bundle."""
    member = tar.getmember(_FOLDER + artefact.file_name)
    content = tar.extractfile(member)
    if content is None or member.size != artefact.size:
        problem = f"{artefact.file_name} is not a file, or does not have {artefact.size} bytes"
        raise IntegrityError(path.name, problem)
    folder.mkdir(mode=0o700, exist_ok=True)
    target = folder / artefact.file_name
    target.unlink(missing_ok=True)
    with target.open("xb") as file:
        shutil.copyfileobj(content, file)
    artefacts.verify(target, artefact)


_HINT = "`infra bin bundle` writes bundles; copy the file again."


def _lock(tar: tarfile.TarFile, path: Path) -> lockfile.Lock:
    content = tar.extractfile(tar.getmember(lockfile.NAME))
    if content is None:
        raise IntegrityError(path.name, "the lock in the bundle is not a file", _HINT)
    with tempfile.TemporaryDirectory(prefix="infra-bundle-") as folder:
        copy = Path(folder) / lockfile.NAME
        copy.write_bytes(content.read(16 << 20))
        return lockfile.read(copy)


def _check(
    path: Path, names: set[str], lock: lockfile.Lock, entries: Sequence[Locked], known: Mapping[str, Recipe]
) -> None:
    platform = platforms.current()
    for name in sorted(names - {entry.recipe for entry in entries}) or ([] if entries else ["bundle"]):
        existing = ", ".join(f"{recipe} for {where}" for recipe, where in sorted(lock.entries))
        problem = f"{path} contains nothing for {platform}; it contains {existing}"
        raise InstallError(name, problem, "Create the bundle with `--platform`.")
    for entry in entries:
        if entry.recipe not in known:
            problem = "the stack file of this directory has no such recipe"
            raise InstallError(entry.recipe, problem, f"Add the table [binaries.{entry.recipe}] to it.")
