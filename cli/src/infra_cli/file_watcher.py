"""The file watcher of `infra runtime up --watch`, which restarts services when their files change."""

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
    """Raise `BinaryMissingError` if the extra `watch` is not installed."""
    if importlib.util.find_spec("watchfiles") is None:
        raise BinaryMissingError("watchfiles", "watch", ["the package watchfiles"], "not installed")


def globs_of(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the `watch` globs (patterns of file names) of each service that has globs."""
    return {spec.name: spec.watch for spec in plan.services if spec.watch}


def pattern(glob: str) -> re.Pattern[str]:
    """Return the regular expression for a glob.

    `*` and `?` do not match a slash; `**` matches any number of folders. The name of a folder matches every
    file in the folder.
    """
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    words = re.split(r"(\*\*/|\*\*|\*|\?)", glob.removeprefix("./").rstrip("/"))
    return re.compile("".join(parts.get(word) or re.escape(word) for word in words) + "(?:/.*)?")


def affected_services(changed: Iterable[str], root: Path, globs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the services whose globs match one of the changed files, in the order of `globs`."""
    paths = [Path(path).relative_to(root).as_posix() for path in changed if Path(path).is_relative_to(root)]
    patterns = {name: [pattern(glob) for glob in own_globs] for name, own_globs in globs.items()}
    return [
        name
        for name, own_patterns in patterns.items()
        if any(own_pattern.fullmatch(path) for own_pattern in own_patterns for path in paths)
    ]


def folders(root: Path, globs: Iterable[str]) -> list[Path]:
    """Return the folders that must be watched for these globs.

    The folder of a glob is its path before the first wildcard, up to the last slash; without a slash, the
    whole path before the wildcard. If this folder is missing, its nearest parent that exists is used. A
    folder inside another watched folder is omitted.
    """
    candidates = set()
    for glob in globs:
        path_before_wildcard = re.split(r"[*?]", glob, maxsplit=1)[0]
        folder = root / (
            path_before_wildcard
            if "/" not in path_before_wildcard or path_before_wildcard.endswith("/")
            else path_before_wildcard.rpartition("/")[0]
        )
        while not folder.is_dir():
            folder = folder.parent
        candidates.add(folder)
    return sorted(
        folder for folder in candidates if not any(parent in candidates for parent in folder.parents)
    )


class Watcher:
    """A thread that restarts services when their files change.

    The thread is not a daemon thread, so the interpreter waits at exit (about 50 ms) until the thread has
    ended. The end of a daemon thread in native code can crash the interpreter.
    """

    def __init__(self, paths: Paths, root: Path, globs: Mapping[str, Sequence[str]]) -> None:
        self._paths, self._root, self._globs = paths, root.resolve(), globs
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="infra-watch")

    def start(self) -> None:
        """Start the thread that watches the files."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching the files: the thread ends after its current step."""
        self._stop.set()

    def _run(self) -> None:
        from watchfiles import DefaultFilter, watch

        paths = folders(self._root, (glob for globs in self._globs.values() for glob in globs))
        without_data = DefaultFilter(ignore_paths=[self._paths.data])
        for changes in watch(*paths, watch_filter=without_data, stop_event=self._stop, raise_interrupt=False):
            names = affected_services((path for _, path in changes), self._root, self._globs)
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
            output.print_error(error)
