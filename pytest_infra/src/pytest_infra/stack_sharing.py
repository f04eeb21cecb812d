"""Which stack a run gets: its own, one that another run with the same plan has, or one that was left warm.

Runs meet in the data directory, under a lock. A note there says which run's plan the supervisor serves; a
stack without a note is a person's, and is joined.
"""

import contextlib
import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

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
#: seconds that a stack stays in which something of a failed test is kept: a working day
KEEP = 8 * 3600.0
#: seconds between two looks at a lock that another worker holds while it starts the supervisor
LOCK_INTERVAL = 0.002


class Plan(Message):
    """What runs must have in common to share a stack; the parts tell what has changed when they have not."""

    key: str
    #: service → the digest of its spec
    services: Mapping[str, str]

    def changes(self, old: Mapping[str, str]) -> str:
        """What is another than it was."""
        changed = [name for name in self.services if name in old and old[name] != self.services[name]]
        words = {
            "changed": changed,
            "new": self.services.keys() - old.keys(),
            "gone": old.keys() - self.services.keys(),
        }
        told = "; ".join(f"{word}: {', '.join(sorted(names))}" for word, names in words.items() if names)
        return told or "a variable or the interpreter"


class _Note(Message):
    """What a run leaves in the data directory for others."""

    #: its pid
    supervisor: int
    #: of the run that started it
    plan: Plan
    #: whether it has something of failed tests
    kept: bool = False

    def write(self, note: Path) -> None:
        note.write_text(json.dumps(self.to_json()), encoding="utf-8")


@frozen
class Shared:
    """The stack that a run got."""

    stack: Stack
    #: what the person should know; empty when there is nothing
    told: str = ""


def join(config: pytest.Config, resolved: Resolved, plan: Plan, *, warm: bool) -> Shared:
    """The stack of the data directory; or of a folder in it, when a run with another plan is there.

    `warm`: take one that an earlier run left, if its plan is the same.
    """
    shared = _join(config, resolved, plan, resolved.data, warm=warm)
    if shared is None:
        shared = _join(config, resolved, plan, resolved.data / f"plan-{plan.key}", warm=warm)
    assert shared is not None  # noqa: S101 - the folder's name is the plan's
    return shared


def _join(config: pytest.Config, resolved: Resolved, plan: Plan, data: Path, *, warm: bool) -> Shared | None:
    """None: a run with another plan has it, and is still at work."""
    paths = Paths(str(data))
    make_data_directory(paths, resolved.environment)
    note = data / NOTE
    with FileLock(data / LOCK).acquire(poll_interval=LOCK_INTERVAL):
        stack, launched = _open(config, replace(resolved, data=data), paths)
        told = ""
        if not launched and resolved.environment == "test" and (known := _read(note)):
            status = stack.status()
            ours = known.supervisor == status.pid
            idle = status.stay and status.leases == 1
            old, same = known.plan, known.plan.key == plan.key
            if ours and idle and not known.kept and not (same and warm):
                changes = plan.changes(old.services)
                told = "" if same else f"the warm stack had another plan ({changes}); a new one was started"
                stack.down()
                stack, launched = _open(config, replace(resolved, data=data), paths)
            elif ours and not same:
                stack.close()
                return None
            elif ours and idle:
                told = "the warm stack of an earlier run was used"
                told += ", with what it kept of failed tests" if known.kept else ""
        if launched:
            _Note(supervisor=stack.status().pid, plan=plan).write(note)
    return Shared(stack=stack, told=told)


def leave(stack: Stack, *, reuse: float | None, keep: bool) -> None:
    """Give the lease back. The stack stays for `reuse` seconds, and longer when something is kept in it."""
    if keep or reuse is not None:
        with contextlib.suppress(SupervisorError):  # it is gone, and took with it what was kept
            _have_it_stay(stack, reuse or 0.0, keep=keep)
    stack.close()


def _have_it_stay(stack: Stack, seconds: float, *, keep: bool) -> None:
    note = stack.data / NOTE
    with FileLock(stack.data / LOCK).acquire(poll_interval=LOCK_INTERVAL):
        known = _read(note)
        if keep and known and not known.kept:
            replace(known, kept=True).write(note)
        status = stack.status()
        if status.stay and status.stay_seconds is None:
            return  # it is a person's, who has said when it ends
        kept = keep or (known is not None and known.kept)
        stack.stay(seconds=max(seconds, KEEP) if kept else seconds)


def _open(config: pytest.Config, resolved: Resolved, paths: Paths) -> tuple[Stack, bool]:
    launch = launcher(config, paths)
    launched = False

    def launch_and_tell(argv: list[str]) -> subprocess.Popen[bytes] | None:
        nonlocal launched
        launched = True
        return launch(argv)

    return LocalEngine(launch=launch_and_tell).open(resolved), launched


def _read(note: Path) -> _Note | None:
    try:
        return decode(_Note, json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
