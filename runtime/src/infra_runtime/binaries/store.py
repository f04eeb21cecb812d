"""The store: the folder `INFRA_BINARIES` with the installed executables of all projects of a user.

    NAME/VERSION-HASH/                  an installed version, with these files and folders:
        manifest.json                   recipe, artefacts, programs, licence
        files.json                      the checksums of the other files at the time of the installation
        root/                           the unpacked files
        glibc/                          the C library, if the packages contain it
        launch/METHOD/                  scripts that start the programs of Debian packages
        launch/METHOD/links/            links to the unpacked files, and the scripts of some programs
        licences/                       the texts of the licences
    downloads/NAME/                     artefacts, complete (`HASH-NAME`) or partial (`….part`)
    NAME.lock                           locked while the entries or downloads of a recipe change

An entry is complete if its folder exists, because the folder gets its name after all files are written.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import Any

from infra_runtime.binaries import launch, lockfile, recipes
from infra_runtime.binaries.lockfile import Lock, Locked
from infra_runtime.data_directory.checksums import checksums
from infra_runtime.data_directory.paths import user_cache
from infra_runtime.errors import InstallError
from infra_runtime.host import file_lock, ownership
from infra_runtime.value import frozen

#: the version of the layout of an entry
FORMAT = 1
MANIFEST = "manifest.json"
#: the name of the file with the checksums, which is separate from the manifest, because the search for a
#: program reads all manifests
FILES = "files.json"
#: the beginning of the names of the folders of incomplete installations
_NEW = ".new-"


@frozen
class Installed:
    """An entry of the store."""

    folder: Path
    locked: Locked
    #: program → path relative to `folder`
    programs: Mapping[str, str]
    #: the methods of `launch.METHODS` that can start the programs; empty: the programs are started directly
    methods: tuple[str, ...] = ()
    #: the version of the C library in the packages; empty without a C library
    glibc: str = ""
    mounts: tuple[str, ...] = ()
    #: environment variable → its value: a folder of the unpacked files
    variables: Mapping[str, str] = field(default_factory=dict)
    bubblewrap: str = ""
    #: the paths of the programs outside of the entry that its scripts start, such as Java
    needs: tuple[str, ...] = ()
    #: the number of bytes of all files, except the manifest and the file with the checksums
    size: int = 0

    def is_complete(self) -> bool:
        """Return whether the programs outside of the entry that its scripts start still exist."""
        return all(os.access(path, os.X_OK) for path in self.needs)

    def method(self) -> str:
        """Return the name of the method that starts the programs on this machine, such as `bubblewrap`.

        The name is empty if the programs are started directly, or if no method works on this machine.
        """
        if not self.methods:
            return ""
        bubblewrap = self.bubblewrap if os.access(self.bubblewrap, os.X_OK) else ""
        usable = launch.available(
            self.methods, glibc_needed=self.glibc, mounts=bool(self.mounts), bubblewrap=bubblewrap
        )
        return usable[0] if usable else ""

    def program(self, name: str) -> Path | None:
        """Return the path to execute for a program: the program itself, or a script that starts it.

        The result is None if the entry does not contain the program, or if no method works on this machine.
        """
        if name not in self.programs:
            return None
        method = self.method()
        if self.methods and not method:
            return None
        return self.folder / (f"launch/{method}/{name}" if method else self.programs[name])

    def launch_of(self, name: str, method: str | None = None) -> launch.Launch:
        """Return the start of a program with a method; by default, with the method for this machine."""
        method = self.method() if method is None else method
        path = self.folder / self.programs[name]
        if not method:
            return launch.Launch(argv=(str(path),), root=str(self.folder / "root"))
        return launch.launch(self.tree(method), path, method, bubblewrap=self.bubblewrap)

    def tree(self, method: str) -> launch.Tree:
        """Return the folders of the unpacked packages, as an argument for `launch.launch`."""
        return launch.Tree(
            root=self.folder / "root",
            glibc=self.folder / "glibc",
            scripts=self.folder / "launch" / method,
            mounts=self.mounts,
            variables=self.variables,
        )

    def damage(self) -> list[str]:
        """Return the paths of changed, missing and added files; `[FILES]` if the checksums cannot be read."""
        current = _checksums(self.folder)
        try:
            then: dict[str, str] = json.loads((self.folder / FILES).read_bytes())
        except (OSError, ValueError):
            return [FILES]
        return sorted(path for path in then.keys() | current.keys() if then.get(path) != current.get(path))


class Store:
    """The store in a folder; the folder is created at the first write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def downloads(self) -> Path:
        """The folder of the downloaded artefacts, with a folder for each recipe."""
        return self.folder / recipes.DOWNLOADS

    def prepare(self) -> None:
        """Create the folder; check that other users cannot change it, and that its programs can run.

        Raises `InstallError`, for example for a read-only folder.
        """
        if separator := next((letter for letter in ":;\n" if letter in str(self.folder)), ""):
            problem = f"contains {separator!r}, which separates the folders in LD_LIBRARY_PATH and PATH"
            raise InstallError(str(self.folder), problem, _OTHER_FOLDER)
        try:
            ownership.make_private_folder(str(self.folder), shared=True)
            self.downloads.mkdir(mode=0o700, exist_ok=True)
        except ownership.OwnershipError as error:
            raise InstallError(str(error.filename), str(error.strerror), _OTHER_FOLDER) from None
        except OSError as error:
            raise unwritable(self.folder, error) from error
        if os.statvfs(self.folder).f_flag & os.ST_NOEXEC:
            problem = "the file system is mounted with `noexec`, so that no program can run from it"
            raise InstallError(str(self.folder), problem, _OTHER_FOLDER)

    @contextmanager
    def locked(self, *names: str, wait: bool = True) -> Iterator[bool]:
        """Hold the locks for changes of the entries and downloads of recipes, and yield True.

        If `wait` is false, and another process holds one of the locks, the function yields False. The locks
        are acquired in the order of their names, so that two processes never wait for each other.
        """
        with contextlib.ExitStack() as stack:
            for name in sorted(set(names)):
                path = f"{self.folder}/{name}.lock"
                try:
                    descriptor = file_lock.acquire(path, wait=wait)
                except OSError as error:
                    raise unwritable(Path(path), error) from error
                if descriptor is None:
                    yield False
                    return
                stack.callback(file_lock.release, descriptor)
            yield True

    def path(self, locked: Locked) -> Path:
        """Return the path of the folder of an entry, whether or not the folder exists."""
        return self.folder / locked.recipe / locked.key

    def get(self, locked: Locked) -> Installed | None:
        """Return the installed entry for a lock entry; None if it is not installed or not complete."""
        entry = _read(self.path(locked))
        return entry if entry and entry.is_complete() else None

    def installed(self, recipe: str = "", *, program: str = "") -> list[Installed]:
        """Return the entries of one recipe or of all recipes, the last installed entry of a recipe first.

        With `program`, return only entries with this program, without decoding the other manifests.
        """
        manifests = sorted(self.folder.glob(f"{recipe or '*'}/*/{MANIFEST}"), key=_changed, reverse=True)
        folders = [path.parent for path in manifests if not path.parent.name.startswith(_NEW)]
        entries = [entry for folder in folders if (entry := _read(folder, program))]
        return sorted(entries, key=lambda entry: entry.locked.recipe)

    def add(self, locked: Locked, build: Callable[[Path], Installed]) -> Installed:
        """Build an entry in a new folder with the function `build`, and give the folder its final name.

        The caller must hold the lock of the recipe. If the process is killed, the new folder has no effect,
        and the next installation of the recipe removes it.
        """
        final = self.path(locked)
        parent = final.parent
        try:
            parent.mkdir(mode=0o755, exist_ok=True)
            for leftover in parent.glob(f"{_NEW}*"):
                shutil.rmtree(leftover)
            folder = parent / f"{_NEW}{locked.key}"
            folder.mkdir(mode=0o755)
        except OSError as error:
            raise unwritable(parent, error) from error
        try:
            entry = build(folder)
            _write(folder, entry, final)
            if final.exists():
                shutil.rmtree(final)
            folder.rename(final)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise unwritable(folder, error) from error
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        installed = _read(final)
        if installed is None:
            raise InstallError(locked.recipe, f"{final / MANIFEST} cannot be read")
        return installed

    def remove(self, entry: Installed) -> None:
        """Remove an entry; its running programs are not stopped."""
        folder = entry.folder
        with self.locked(entry.locked.recipe):
            hidden = folder.with_name(f"{_NEW}removed-{folder.name}")
            try:
                folder.rename(hidden)
            except OSError as error:
                raise unwritable(folder, error) from error
            shutil.rmtree(hidden, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()


_OTHER_FOLDER = "Set INFRA_BINARIES to another folder."


def default_folder() -> Path | None:
    """Return the folder of the store: `INFRA_BINARIES`, or a folder in the user's cache; None without both.

    INFRA_CACHE has no effect, so that projects with their own cache share the executables. The folder can be
    a symbolic link, for example to a larger disk; the result is the target of the link.
    """
    if configured := os.environ.get("INFRA_BINARIES"):
        return Path(os.path.realpath(Path(configured).expanduser()))
    variables = {name: value for name, value in os.environ.items() if name != "INFRA_CACHE"}
    cache = user_cache(variables)
    return Path(os.path.realpath(f"{cache}/binaries")) if cache else None


def default() -> Store:
    """Return the store of this user. Raises `InstallError` if the user has no home directory."""
    folder = default_folder()
    if folder is None:
        raise InstallError("executables", "this user has no home directory", _OTHER_FOLDER)
    return Store(folder)


def find(program: str, project: Path | None = None, *, store: Store | None = None) -> Path | None:
    """Return the path of a program in a store (default: the store of this user); None if it is not installed.

    Raises `OwnershipError` if other users can change the program.
    """
    return next(find_all(program, project, store=store), None)


def find_all(program: str, project: Path | None = None, *, store: Store | None = None) -> Iterator[Path]:
    """Yield the path of a program for each installed recipe that contains the program.

    The default store is the store of this user. For a recipe in the project's lock (`infra.lock` in the
    folder `project`), the path belongs to the version in this lock. For other recipes, it belongs to the
    version in the kit's lock, or if this version is not installed, to the version that was installed last.
    Recipes in the lock of the project come first.

    Raises `OwnershipError` if other users can change the program.
    """
    folder = store.folder if store else default_folder()
    if folder is None or not folder.is_dir():
        return
    candidates = [entry for entry in Store(folder).installed(program=program) if entry.is_complete()]
    for entry in _chosen(candidates, project):
        if path := entry.program(program):
            try:
                for file in dict.fromkeys((path, entry.folder / entry.programs[program])):
                    ownership.check_program(str(file))
            except FileNotFoundError:  # `infra bin verify` reports it
                continue
            yield path


def _chosen(candidates: Sequence[Installed], project: Path | None) -> list[Installed]:
    """Return one installed entry for each recipe: the version in a lock; recipes of the project's lock first.

    If the version of a recipe in the lock of the project is not installed, the result contains no entry of
    this recipe.
    """
    project_lock = lockfile.read(project / lockfile.NAME) if project and candidates else lockfile.EMPTY
    recipes: dict[str, list[Installed]] = {}
    for entry in candidates:
        recipes.setdefault(entry.locked.recipe, []).append(entry)
    locked, other_entries = [], []
    for entries in recipes.values():
        if any(_in_lock(project_lock, entry) for entry in entries):
            locked += [entry for entry in entries if entry.locked == _in_lock(project_lock, entry)][:1]
        elif len(entries) == 1:  # the lock of the kit, whose reading takes some milliseconds, is not needed
            other_entries += entries
        else:
            kit = lockfile.read(lockfile.KIT)
            other_entries.append(next((e for e in entries if e.locked == _in_lock(kit, e)), entries[0]))
    return locked + other_entries


def _in_lock(lock: Lock, entry: Installed) -> Locked | None:
    return lock.get(entry.locked.recipe, entry.locked.platform)


def unwritable(path: Path, error: OSError) -> InstallError:
    """Return the error for a file or folder of the store that cannot be written."""
    return InstallError(str(path), f"cannot be written: {error.strerror or error}", _OTHER_FOLDER)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _read(folder: Path, program: str = "") -> Installed | None:
    """Return the entry in a folder; None if it is missing, has another layout, or lacks `program`."""
    if folder.is_symlink() or folder.parent.is_symlink():
        return None
    try:
        content = (folder / MANIFEST).read_bytes()
        if program and json.dumps(program).encode() not in content:
            return None
        data: dict[str, Any] = json.loads(content)
        if data["format"] != FORMAT or (program and program not in data["programs"]):
            return None
        return Installed(
            folder=folder,
            locked=lockfile.decode(data["locked"], recipe=data["recipe"], platform=data["platform"]),
            programs=data["programs"],
            methods=tuple(data["methods"]),
            glibc=data["glibc"],
            mounts=tuple(data["mounts"]),
            variables=data.get("variables", {}),
            bubblewrap=data["bubblewrap"],
            needs=tuple(data.get("needs", ())),
            size=data["bytes"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write(folder: Path, entry: Installed, final: Path) -> None:
    """Write the scripts and the manifest of an entry into a folder that is renamed later.

    The scripts contain the final paths of the files, after the folder is renamed to `final`.
    """
    for method in entry.methods:
        tree = entry.tree(method)
        for name, program in entry.programs.items():
            text = entry.launch_of(name, method).moved(str(folder), str(final)).script()
            script = tree.scripts / name
            if linked := tree.linked(folder / program):
                launch.write_links(tree, folder / program)
                launch.write_script(linked, text)
                script.symlink_to(linked.relative_to(tree.scripts))
            else:
                launch.write_script(script, text)
    files = _checksums(folder)
    (folder / FILES).write_text(json.dumps(files, indent=1), encoding="utf-8")
    data = {
        "format": FORMAT,
        "recipe": entry.locked.recipe,
        "platform": entry.locked.platform,
        "locked": lockfile.encode(entry.locked),
        "programs": dict(entry.programs),
        "methods": list(entry.methods),
        "glibc": entry.glibc,
        "mounts": list(entry.mounts),
        "variables": dict(entry.variables),
        "bubblewrap": entry.bubblewrap,
        "needs": list(entry.needs),
        "bytes": sum(int(text.split()[0]) for text in files.values() if text[:1].isdigit()),
    }
    (folder / MANIFEST).write_text(json.dumps(data, indent=1), encoding="utf-8")


def _checksums(folder: Path) -> dict[str, str]:
    sums = checksums(str(folder))
    return {path: text for path, text in sums.items() if path not in {MANIFEST, FILES}}
