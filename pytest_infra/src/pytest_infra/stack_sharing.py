"""Select the stack of a run: a new stack, the stack of another run with the same plan, or a warm stack.

A warm stack is a stack that an earlier run has kept running. During the selection, the process holds a lock
in the data directory. A file in the data directory, the note, contains the plan of the run that has started
the supervisor. Every run uses a stack whose supervisor is not in the note, because `infra` has started it,
and every run in another environment than `test` uses the stack of its data directory.
"""

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from infra_runtime.config.resolve import Resolved
from infra_runtime.data_directory.marker import make_data_directory
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.engine import LocalEngine
from infra_runtime.engines.local.stack import Stack
from infra_runtime.errors import SupervisorError
from infra_runtime.message import Message, decode
from infra_runtime.value import frozen
from pytest_infra.launch import launcher

NOTE, LOCK = "pytest.json", "pytest.lock"
#: The seconds for which a stack with units of a failed test keeps running (a working day).
KEEP = 8 * 3600.0
#: The seconds between two attempts to get the lock. Another worker holds the lock while it starts the
#: supervisor.
LOCK_INTERVAL = 0.002
#: seconds to wait for the lock: its holder may stop a warm stack, and then starts a supervisor
LOCK_SECONDS = 180.0


class Plan(Message):
    """The plan of a test run; test runs whose plans have the same `key` share a stack."""

    #: the digest of the plan, its variables, the setting tmpfs and the interpreter
    key: str
    #: service → the digest of its spec
    services: Mapping[str, str]

    def changes(self, old_digests: Mapping[str, str]) -> str:
        """Return a text that describes the differences from an older plan.

        `old_digests` is a mapping from the services of the older plan to the digests of their specs.
        """
        changed = [
            name for name in self.services if name in old_digests and old_digests[name] != self.services[name]
        ]
        differences = {
            "changed": changed,
            "new": self.services.keys() - old_digests.keys(),
            "removed": old_digests.keys() - self.services.keys(),
        }
        text = "; ".join(
            f"{kind}: {', '.join(sorted(names))}" for kind, names in differences.items() if names
        )
        return text or "a variable, the interpreter or the setting tmpfs"


class _Note(Message):
    """The note: a file in the data directory that describes the stack for other runs."""

    #: the process id of the supervisor
    supervisor: int
    #: the plan of the run that started the supervisor
    plan: Plan
    #: whether the stack contains units of failed tests
    kept: bool = False

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.to_json()), encoding="utf-8")


@frozen
class Shared:
    """The stack that a test run uses, and a message for the user about it."""

    stack: Stack
    #: a line for the end of the run; empty if there is nothing to report
    message: str = ""


def join(
    config: pytest.Config, resolved: Resolved, plan: Plan, *, warm: bool, opening: Callable[[str], None]
) -> Shared:
    """Start or join a stack for a test run, and return the stack.

    `opening` is called with a data directory before its stack is started or joined, because services can
    start before this function returns.

    Normally, the result is the stack of the data directory. If a run with another plan uses that stack or has
    kept units in it, the result is a separate stack, whose data directory is a folder inside the data
    directory. With `warm`, or if it contains kept units, the result can be a warm stack, which an earlier run
    with the same plan has kept running.
    """
    shared = _join(config, resolved, plan, resolved.data, warm, opening)
    if shared is None:
        shared = _join(config, resolved, plan, resolved.data / f"plan-{plan.key}", warm, opening)
    assert shared is not None  # noqa: S101 - only runs with the same plan use that folder
    return shared


def _join(
    config: pytest.Config,
    resolved: Resolved,
    plan: Plan,
    data: Path,
    warm: bool,
    opening: Callable[[str], None],
) -> Shared | None:
    """Return the stack whose data directory is `data`.

    The result is None if a run with another plan uses this stack or has kept units of failed tests in it.
    """
    paths = Paths(str(data))
    make_data_directory(paths, resolved.environment)
    path = data / NOTE
    with _locked(data):
        opening(str(data))
        stack, launched = _open(config, replace(resolved, data=data), paths)
        message = ""
        if not launched and resolved.environment == "test" and (note := _read(path)):
            status = stack.status()
            by_pytest = note.supervisor == status.pid
            idle = status.stay and status.leases == 1
            same_plan = note.plan.key == plan.key
            if by_pytest and idle and not note.kept and not (same_plan and warm):
                if not same_plan:
                    changes = plan.changes(note.plan.services)
                    message = f"the warm stack had another plan ({changes}); a new stack was started"
                stack.down()
                opening(str(data))
                stack, launched = _open(config, replace(resolved, data=data), paths)
            elif by_pytest and not same_plan:
                stack.close()
                return None
            elif by_pytest and idle:
                message = "the warm stack of an earlier run was used"
                message += ", with the units of failed tests that it kept" if note.kept else ""
        if launched:
            _Note(supervisor=stack.status().pid, plan=plan).write(path)
    return Shared(stack=stack, message=message)


def leave(stack: Stack, *, reuse: float | None, keep: bool) -> None:
    """Release the lease of this process on a stack at the end of the run.

    The stack keeps running for `reuse` seconds; if `reuse` is None, the stack stops when its last lease ends.
    With `keep`, the stack contains units of failed tests, and keeps running for at least `KEEP` seconds. A
    detached stack runs until `infra runtime down` stops it.
    """
    if keep or reuse is not None:
        # The supervisor has exited, so the stack cannot be kept running.
        with contextlib.suppress(SupervisorError):
            _keep_running(stack, reuse or 0.0, keep=keep)
    stack.close()


def _keep_running(stack: Stack, seconds: float, *, keep: bool) -> None:
    path = stack.data / NOTE
    with _locked(stack.data):
        note = _read(path)
        if keep and note and not note.kept:
            replace(note, kept=True).write(path)
        status = stack.status()
        if status.detached:
            return  # the stack runs until `infra runtime down` stops it
        kept = keep or (note is not None and note.kept)
        stack.stay(seconds=max(seconds, KEEP) if kept else seconds)


@contextlib.contextmanager
def _locked(data: Path) -> Iterator[None]:
    """Hold the plugin's lock of a data directory during the block.

    Raises `SupervisorError` if another process does not release the lock.
    """
    with contextlib.ExitStack() as lock:
        try:
            lock.enter_context(FileLock(data / LOCK).acquire(LOCK_SECONDS, poll_interval=LOCK_INTERVAL))
        except Timeout:
            problem = f"another process has locked {data / LOCK} for more than {LOCK_SECONDS:g} s"
            hint = (
                "A pytest process that uses this data directory may be paused: continue or end this process."
            )
            raise SupervisorError(problem, hint=hint) from None
        yield


def _open(config: pytest.Config, resolved: Resolved, paths: Paths) -> tuple[Stack, bool]:
    launch = launcher(config, paths)
    launched = False

    def launch_and_record(argv: list[str], stdin: int) -> subprocess.Popen[bytes] | None:
        nonlocal launched
        launched = True
        return launch(argv, stdin)

    return LocalEngine(launch=launch_and_record).open(resolved, starting=True), launched


def _read(path: Path) -> _Note | None:
    try:
        return decode(_Note, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
