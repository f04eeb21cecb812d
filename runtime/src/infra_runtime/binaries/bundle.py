"""Bundles: one tar archive with the artefacts of lock entries, for machines without network.

The archive contains `infra.lock` with the entries, and the artefacts below `artefacts/`. The archive is not
compressed, because the artefacts are already compressed. The programs of Go modules are built before the
bundle is written, so that the other machine does not need Go: the programs are below `built/`, and
`built.json` contains their sizes and hashes.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from infra_runtime.binaries import artefacts, lockfile, platforms
from infra_runtime.binaries.lockfile import EMPTY, Locked
from infra_runtime.binaries.recipe import Go, Recipe
from infra_runtime.binaries.sources import go
from infra_runtime.binaries.store import Store, unwritable
from infra_runtime.errors import InstallError, IntegrityError

_FOLDER, _BUILT, _BUILT_LIST = "artefacts/", "built/", "built.json"


def write(
    path: Path,
    entries: Sequence[Locked],
    store: Store,
    *,
    known: Mapping[str, Recipe],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Download the artefacts of lock entries, build the programs of Go modules, and write a bundle.

    `known` maps the name of each entry to its recipe. Raises the same errors as `installation.install`.
    """
    if not path.parent.is_dir():  # checked before the download, which can take long
        problem = "the bundle cannot be written: its folder does not exist"
        raise InstallError(str(path), problem, "Create the folder, or select another file.")
    store.prepare()
    with _temporary_folder(store) as folder:
        artefacts.fetch(entries, Path(folder), counter=artefacts.Counter(progress, entries))
        built = [
            (entry.recipe, program)
            for entry in entries
            if entry.source == go.NAME
            for program in _built(known[entry.recipe], entry, store, Path(folder))
        ]
        lock, built_list = Path(folder) / lockfile.NAME, Path(folder) / _BUILT_LIST
        lockfile.write(lock, EMPTY.updated(entries))
        sums = {
            f"{recipe}/{path.name}": [path.stat().st_size, lockfile.sha256(path)] for recipe, path in built
        }
        built_list.write_text(json.dumps(sums, indent=1, sort_keys=True), encoding="utf-8")
        part_path = path.with_name(f"{path.name}.part")
        try:
            with tarfile.open(part_path, "w", format=tarfile.PAX_FORMAT) as tar:
                tar.add(lock, lockfile.NAME, filter=_plain)
                tar.add(built_list, _BUILT_LIST, filter=_plain)
                files = {
                    artefact.file_name: Path(folder) / entry.recipe / artefact.file_name
                    for entry in entries
                    for artefact in entry.artefacts
                }
                for name, file in sorted(files.items()):
                    tar.add(file, _FOLDER + name, filter=_plain)
                for recipe, program in built:
                    tar.add(program, f"{_BUILT}{recipe}/{program.name}", filter=_plain)
            part_path.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                part_path.unlink()
            problem = f"the bundle cannot be written: {error.strerror or error}"
            raise InstallError(str(path), problem, "Select another file.") from error


@contextmanager
def _temporary_folder(store: Store) -> Iterator[str]:
    """Yield a new folder in the store. Raises `InstallError` if the files in it cannot be written."""
    try:
        with tempfile.TemporaryDirectory(prefix="bundle-", dir=store.folder) as folder:
            yield folder
    except OSError as error:
        raise unwritable(Path(error.filename or store.folder), error) from error


def _built(recipe: Recipe, locked: Locked, store: Store, downloads: Path) -> list[Path]:
    """Return the paths of the programs of a Go module; programs that are not in the store are built."""
    if installed := store.get(locked):
        return [installed.folder / path for _, path in sorted(installed.programs.items())]
    source = next(source for source in recipe.sources if isinstance(source, Go))
    root = downloads / f"{recipe.name}-root"
    go.build(recipe, source, locked, downloads / recipe.name, root)
    return [root / "bin" / name for name in sorted(recipe.programs)]


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Remove owner, mode and time of a member, so that equal artefacts give equal bundles."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    member.mode = 0o644
    return member


def read(
    path: Path, selected_recipes: Iterable[Recipe], known: Mapping[str, Recipe], store: Store
) -> list[tuple[Recipe, Locked]]:
    """Copy the artefacts of a bundle for this platform to the downloads of a store.

    Return the selected recipes, each with its lock entry.

    The artefacts of installed entries are not copied. `selected_recipes` contains the recipes to install; if
    it is empty, all recipes of the bundle are selected. Each artefact is compared with the lock of the
    bundle.

    Raises:
        InstallError: the bundle lacks a selected recipe for this platform or contains an unknown recipe, or
            a file cannot be read or written.
        IntegrityError: the file is not a bundle, or an artefact differs from its lock.
    """
    store.prepare()
    platform = platforms.current()
    names = {recipe.name for recipe in selected_recipes}
    try:
        with tarfile.open(path, "r:") as tar:
            lock = _lock(tar, path)
            entries = [
                entry
                for (name, platform_of_entry), entry in lock.entries.items()
                if platform_of_entry == platform and (not names or name in names)
            ]
            _check(path, names, lock, entries, known)
            built = json.loads(_content(tar, _BUILT_LIST, path))
            for entry in entries:
                if store.get(entry):
                    continue
                folder = store.downloads / entry.recipe
                with store.locked(entry.recipe):
                    folder.mkdir(mode=0o700, exist_ok=True)
                    for artefact in entry.artefacts:
                        expected = (artefact.size, artefact.sha256)
                        _copy(tar, _FOLDER + artefact.file_name, folder / artefact.file_name, expected, path)
                    for program in known[entry.recipe].programs if entry.source == go.NAME else ():
                        size, digest = built[f"{entry.recipe}/{program}"]
                        target = folder / go.built_name(entry, program)
                        _copy(tar, f"{_BUILT}{entry.recipe}/{program}", target, (size, digest), path)
    except (tarfile.TarError, KeyError, ValueError, TypeError) as error:
        raise IntegrityError(path.name, f"the file is not a complete bundle: {error}", _HINT) from error
    except OSError as error:
        problem = f"the bundle cannot be read, or its files cannot be written: {error.strerror or error}"
        raise InstallError(str(error.filename or path), problem, _HINT) from error
    return [(known[entry.recipe], entry) for entry in entries]


def _copy(tar: tarfile.TarFile, name: str, target: Path, expected: tuple[int, str], path: Path) -> None:
    """Copy a file of the bundle `path`, and compare it with its size and SHA-256 in the bundle."""
    member = tar.getmember(name)
    content = tar.extractfile(member)
    size, digest = expected
    if content is None or member.size != size:
        raise IntegrityError(path.name, f"{name} in the bundle must be a file of {size} bytes", _HINT)
    target.unlink(missing_ok=True)
    with target.open("xb") as file:
        shutil.copyfileobj(content, file)
    if (actual := lockfile.sha256(target)) != digest:
        target.unlink()
        problem = f"{name}: the SHA-256 is {actual}, but {digest} according to the bundle"
        raise IntegrityError(path.name, problem, _HINT)


_HINT = "`infra bin bundle` writes bundles; copy the file again."


def _content(tar: tarfile.TarFile, name: str, path: Path) -> bytes:
    """Return the content of a small file of the bundle `path`."""
    content = tar.extractfile(tar.getmember(name))
    if content is None:
        raise IntegrityError(path.name, f"{name} in the bundle is not a file", _HINT)
    return content.read(16 << 20)


def _lock(tar: tarfile.TarFile, path: Path) -> lockfile.Lock:
    with tempfile.TemporaryDirectory(prefix="infra-bundle-") as folder:
        copy = Path(folder) / lockfile.NAME
        copy.write_bytes(_content(tar, lockfile.NAME, path))
        return lockfile.read(copy)


def _check(
    path: Path, names: set[str], lock: lockfile.Lock, entries: Sequence[Locked], known: Mapping[str, Recipe]
) -> None:
    platform = platforms.current()
    for name in sorted(names - {entry.recipe for entry in entries}) or ([] if entries else ["bundle"]):
        existing = ", ".join(
            f"{recipe} for {platform_of_entry}" for recipe, platform_of_entry in sorted(lock.entries)
        )
        problem = f"{path} contains no artefact for {platform}; it contains {existing}"
        hint = f"`infra bin bundle FILE NAME --platform {platform}` writes such a bundle."
        raise InstallError(name, problem, hint)
    for entry in entries:
        if entry.recipe not in known:
            problem = "the stack file of this directory does not contain this recipe"
            raise InstallError(
                entry.recipe, problem, f"Add the table [binaries.{entry.recipe}] to the stack file."
            )
