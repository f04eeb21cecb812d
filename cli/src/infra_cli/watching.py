"""`up --watch`: which services a changed file belongs to, and their restart."""

from __future__ import annotations

import importlib.util
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from infra_cli import output
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import Client, raise_failures
from infra_runtime.errors import BinaryMissingError, InfraError, NoStackError
from infra_runtime.messages import RESTART, Names
from infra_runtime.plan import Plan


def require_watchfiles() -> None:
    """Raises `BinaryMissingError` when the extra isn't installed."""
    if importlib.util.find_spec("watchfiles") is None:
        raise BinaryMissingError("watchfiles", "watch", ["the package watchfiles"], "not installed")


def globs_of(plan: Plan) -> dict[str, tuple[str, ...]]:
    """The globs of each service that has any."""
    return {spec.name: spec.watch for spec in plan.services if spec.watch}


def pattern(glob: str) -> re.Pattern[str]:
    """`*` and `?` stay inside a folder, `**` goes through folders; a folder means all that is in it."""
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    words = re.split(r"(\*\*/|\*\*|\*|\?)", glob.removeprefix("./").rstrip("/"))
    return re.compile("".join(parts.get(word) or re.escape(word) for word in words) + "(?:/.*)?")


def touched(changed: Iterable[str], root: Path, globs: Mapping[str, Sequence[str]]) -> list[str]:
    """The services whose globs match one of the changed files, in the order of `globs`."""
    inside = [Path(path).relative_to(root).as_posix() for path in changed if Path(path).is_relative_to(root)]
    patterns = {name: [pattern(glob) for glob in several] for name, several in globs.items()}
    return [
        name
        for name, several in patterns.items()
        if any(each.fullmatch(path) for each in several for path in inside)
    ]


def folders(root: Path, globs: Iterable[str]) -> list[Path]:
    """The least that must be watched: the folders that stand before the first wildcard."""
    found = set()
    for glob in globs:
        fixed = re.split(r"[*?]", glob, maxsplit=1)[0]
        folder = root / (fixed if "/" not in fixed or fixed.endswith("/") else fixed.rpartition("/")[0])
        while not folder.is_dir():
            folder = folder.parent
        found.add(folder)
    return sorted(folder for folder in found if not any(parent in found for parent in folder.parents))


class Watcher:
    """A thread that restarts services when their files change.

    The program's end waits for it, some 50 ms: an interpreter that ends under native code may crash.
    """

    def __init__(self, paths: Paths, root: Path, globs: Mapping[str, Sequence[str]]) -> None:
        self._paths, self._root, self._globs = paths, root.resolve(), globs
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="infra-watch")

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Have it end."""
        self._stop.set()

    def _run(self) -> None:
        from watchfiles import DefaultFilter, watch

        paths = folders(self._root, (glob for several in self._globs.values() for glob in several))
        ours = DefaultFilter(ignore_paths=[self._paths.data])
        for changes in watch(*paths, watch_filter=ours, stop_event=self._stop, raise_interrupt=False):
            names = touched((path for _, path in changes), self._root, self._globs)
            if names and not self._stop.is_set():
                self._restart(names)

    def _restart(self, names: list[str]) -> None:
        output.note(f"files changed: restarting {', '.join(names)}")
        try:
            with closing(Client.connect(self._paths)) as client:
                raise_failures(client.call(RESTART, Names(services=tuple(names))).failures)
        except NoStackError:
            self._stop.set()
        except InfraError as error:
            output.complain(error)
