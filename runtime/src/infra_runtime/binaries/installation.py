"""Lock, download and install executables: the steps of `infra bin lock` and `infra bin install`."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from infra_runtime.binaries import artefacts, content, launch, lockfile, platforms, recipes
from infra_runtime.binaries.artefacts import Counter, Progress
from infra_runtime.binaries.lockfile import Lock, Locked
from infra_runtime.binaries.recipe import Archive, Debian, Go, Maven, Npm, Recipe, Source, Wheel
from infra_runtime.binaries.sources import archive, debian, go, maven, npm, wheel
from infra_runtime.binaries.store import Installed, Store, find, unwritable
from infra_runtime.errors import InstallError
from infra_runtime.value import frozen


@frozen
class Locks:
    """The lock of the project, and the lock of the kit. The lock of the project takes precedence."""

    project: Lock = lockfile.EMPTY
    kit: Lock = lockfile.EMPTY

    def get(self, recipe: str, platform: str) -> Locked | None:
        """Return the lock entry of a recipe for a platform; None if neither lock contains it."""
        return self.project.get(recipe, platform) or self.kit.get(recipe, platform)


def read_locks(project: Path | None) -> Locks:
    """Return the locks for a project; without a project, only the lock of the kit."""
    project_lock = lockfile.read(project / lockfile.NAME) if project else lockfile.EMPTY
    return Locks(project=project_lock, kit=lockfile.read(lockfile.KIT))


def lock(recipe: Recipe, platform: str) -> Locked:
    """Return a new lock entry of a recipe for a platform, from the first of its sources that has artefacts.

    Raises `InstallError` if no source has an artefact for the platform, or a licence is refused.
    """
    refuse_licence(recipe, recipe.licence)
    problems = []
    for source in recipe.sources:
        with tempfile.TemporaryDirectory(prefix="infra-lock-") as work:
            try:
                locked = _lock(recipe, source, platform, Path(work))
            except InstallError as error:
                problems.append(f"{_kind(source)}: {error.reason}")
                continue
        for artefact in locked.artefacts:
            refuse_licence(recipe, artefact.licence)
        return locked
    problem = "; ".join(problems) or "the recipe has no source"
    raise InstallError(recipe.name, f"no source has an artefact for {platform}: {problem}", recipe.hint)


def _lock(recipe: Recipe, source: Source, platform: str, work: Path) -> Locked:
    match source:
        case Wheel():
            return wheel.lock(recipe, source, platform, work)
        case Debian():
            return debian.lock(recipe, source, platform, work)
        case Maven():
            return maven.lock(recipe, source, platform, work)
        case Go():
            return go.lock(recipe, source, platform, work)
        case Npm():
            return npm.lock(recipe, source, platform, work)
        case Archive():
            return archive.lock(recipe, source, platform, work)


def _kind(source: Source) -> str:
    return type(source).__name__.lower()


def refuse_licence(recipe: Recipe, licence: str) -> None:
    """Raise `InstallError` if pytest-infra never downloads programs with this licence."""
    if refused := recipe.refused_licence(licence):
        raise InstallError(
            recipe.name,
            f"pytest-infra never downloads programs with the licence {refused}",
            hint=f"Put the program on PATH, or write a recipe [binaries.{recipe.name}] in the stack file.",
        )


def required(recipe: Recipe, locks: Locks, platform: str) -> Locked:
    """Return the lock entry of a recipe for a platform.

    Raises `InstallError` if the licence is refused, or if no lock has an entry; the message contains the
    platforms with an entry.
    """
    refuse_licence(recipe, recipe.licence)
    if locked := locks.get(recipe.name, platform):
        return locked
    existing = sorted({*locks.project.platforms(recipe.name), *locks.kit.platforms(recipe.name)})
    if not existing:
        problem = "no lock contains the recipe"
        raise InstallError(recipe.name, problem, f"Run `infra bin lock {recipe.name}`.")
    problem = f"the lock contains no artefact for {platform}, only for {', '.join(existing)}"
    raise InstallError(recipe.name, problem, recipe.hint)


def install(
    locked_recipes: Iterable[tuple[Recipe, Locked]],
    store: Store,
    *,
    offline: bool = False,
    progress: Progress | None = None,
) -> list[Installed]:
    """Download the artefacts of lock entries, verify and unpack them, and return the entries of the store.

    An entry that is already installed is not installed again. Java and bubblewrap are installed before the
    recipes that need them.

    Raises:
        InstallError: an artefact cannot be downloaded or does not contain its programs, `offline` is true and
            it is not in the store, or this machine cannot build or start the programs.
        IntegrityError: an artefact differs from the lock, or is unsafe.
    """
    locked_recipes = list(locked_recipes)
    missing_recipes = [(recipe, locked) for recipe, locked in locked_recipes if store.get(locked) is None]
    missing_recipes.sort(key=lambda pair: not pair[0].programs.keys() & {recipes.JAVA, recipes.BUBBLEWRAP})
    for recipe, locked in missing_recipes:
        wheel.check_library(recipe, locked)
    if missing_recipes:
        store.prepare()
    counter = Counter(progress, [locked for _, locked in missing_recipes])
    for group in _groups(missing_recipes):
        with store.locked(*(recipe.name for recipe, _ in group)):
            # Another process can have installed an entry while this process waited for the lock.
            missing_in_group = [(recipe, locked) for recipe, locked in group if store.get(locked) is None]
            lock_entries = [locked for _, locked in missing_in_group]
            try:
                artefacts.fetch(lock_entries, store.downloads, offline=offline, counter=counter)
            except OSError as error:
                raise unwritable(Path(error.filename or store.downloads), error) from error
            for recipe, locked in missing_in_group:
                store.add(locked, lambda folder: _build(recipe, locked, store, folder))  # noqa: B023
            for locked in lock_entries:
                _remove_artefacts(locked, store.downloads / locked.recipe)
    return [entry for _, locked in locked_recipes if (entry := store.get(locked))]


def _groups(missing_recipes: Sequence[tuple[Recipe, Locked]]) -> list[list[tuple[Recipe, Locked]]]:
    """Return lists of recipes; this process holds the locks of all recipes of a list while it installs them.

    A build with Go takes minutes, so each Go recipe is the only recipe of its list. Another process then
    waits for at most one build.
    """
    built = [pair for pair in missing_recipes if pair[1].source == go.NAME]
    recipes_without_go = [pair for pair in missing_recipes if pair[1].source != go.NAME]
    return [recipes_without_go, *([pair] for pair in built)]


def _remove_artefacts(locked: Locked, folder: Path) -> None:
    names = [artefact.file_name for artefact in locked.artefacts]
    for path in (*(folder / name for name in names), *folder.glob(go.built_name(locked, "*"))):
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # the folder can contain an incomplete download of another version
        folder.rmdir()


def install_or_renew(
    locked_recipes: Sequence[tuple[Recipe, Locked]],
    store: Store,
    *,
    project: Path,
    report: Callable[[str], None],
    progress: Progress | None = None,
) -> list[Installed]:
    """Install lock entries; lock Debian's recipes again if the archive has removed one of their packages.

    The entries of installed recipes are not changed. `report` is called with a line for the removed package,
    for each difference between the old and the new lock entry, and for a changed lock. A new entry replaces
    the old entry in the lock of the project, `infra.lock` in the folder `project`, if this lock contains an
    entry for the recipe. Raises the same errors as `install`.
    """
    try:
        return install(locked_recipes, store, progress=progress)
    except debian.GoneError as error:
        report(f"{error}; the packages are resolved again")
    path, renewed = project / lockfile.NAME, []
    project_lock = lockfile.read(path)
    for recipe, locked in locked_recipes:
        new_entry = locked
        if locked.source == debian.NAME and store.get(locked) is None:
            new_entry = lock(recipe, locked.platform)
            for line in lockfile.differences(locked, new_entry):
                report(f"{recipe.name}: {line}")
        renewed.append((recipe, new_entry))
    changed_entries = [
        new_entry
        for _, new_entry in renewed
        if project_lock.get(new_entry.recipe, new_entry.platform) not in {None, new_entry}
    ]
    if changed_entries:
        lockfile.update(path, changed_entries)
        report(f"{path} is updated")
    return install(renewed, store, progress=progress)


def _build(recipe: Recipe, locked: Locked, store: Store, folder: Path) -> Installed:
    """Unpack the artefacts of a lock entry into a folder, and return the entry of the store."""
    downloads = store.downloads / recipe.name
    content.unpack(locked, downloads, folder)
    needs: tuple[str, ...] = ()
    for source in recipe.sources:
        if isinstance(source, Maven) and locked.source == maven.NAME:
            java = maven.java_program(recipe.name, source.java, find(recipes.JAVA, store=store))
            maven.build(recipe, source, folder / "root", java)
            needs = (str(java),)
        elif isinstance(source, Go) and locked.source == go.NAME:
            go.build(recipe, source, locked, downloads, folder / "root")
        elif isinstance(source, Debian) and locked.source == debian.NAME:
            for link, target in source.links.items():
                (folder / "root" / link).symlink_to(target)
    programs = content.locate(recipe, locked.source, folder)
    content.collect_licences(folder)
    content.collect_packed_licences(locked, downloads, folder)
    if locked.source == debian.NAME:
        return _with_launch_methods(recipe, locked, store, folder, programs)
    return Installed(folder=folder, locked=locked, programs=programs, needs=needs)


def _with_launch_methods(
    recipe: Recipe, locked: Locked, store: Store, folder: Path, programs: Mapping[str, str]
) -> Installed:
    """Return the entry of Debian packages with the methods that can start its programs on this machine.

    Raises `InstallError` if no method works on this machine.
    """
    packages = next((source for source in recipe.sources if isinstance(source, Debian)), None)
    mounts = packages.mounts if packages else ()
    bubblewrap = launch.bubblewrap_program(find(recipes.BUBBLEWRAP, store=store)) if mounts else ""
    has_loader = (folder / "glibc").is_dir()
    methods = [launch.LIBRARIES]
    methods += [launch.LOADER] if has_loader else []
    # In the mount namespace, too, the program needs the C library of its packages or of the machine.
    methods += [launch.BUBBLEWRAP] if bubblewrap and (has_loader or platforms.glibc_version()) else []
    if packages and packages.mounts_required:
        methods = [launch.BUBBLEWRAP]
        if not bubblewrap:
            paths = ", ".join(mounts)
            problem = f"its programs need {paths}, but `bwrap` is missing or cannot create namespaces"
            hint = f"Run `infra bin install bubblewrap {recipe.name}`, or put the program on PATH."
            raise InstallError(recipe.name, problem, recipe.hint or hint)
    glibc = next((artefact.version for artefact in locked.artefacts if artefact.name == debian.GLIBC), "")
    if not launch.available(methods, glibc_needed=glibc, mounts=bool(mounts), bubblewrap=bubblewrap):
        problem = "the packages need the GNU C library, which this machine does not have"
        raise InstallError(recipe.name, problem, recipe.hint)
    return Installed(
        folder=folder,
        locked=locked,
        programs=programs,
        methods=tuple(methods),
        glibc=glibc,
        mounts=mounts,
        variables=packages.variables if packages else {},
        bubblewrap=bubblewrap,
        needs=(bubblewrap,) if methods == [launch.BUBBLEWRAP] else (),
    )


def current_platform() -> str:
    """Return the platform of this machine."""
    return platforms.current()


def remove_downloads(store: Store) -> None:
    """Remove the files of interrupted downloads and installations; a running installation keeps its files."""
    if not store.downloads.is_dir():
        return
    for folder in store.downloads.iterdir():
        with store.locked(folder.name, wait=False) as is_locked:
            if is_locked and folder.is_dir() and not folder.is_symlink():
                shutil.rmtree(folder, ignore_errors=True)
            elif is_locked:
                folder.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        store.downloads.rmdir()
