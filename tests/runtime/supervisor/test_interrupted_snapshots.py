"""Saves, restores, removals and wipes that are killed or fail at each of their changes on the disk."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fakes.killed import COMPLETE, FAILED, KILLED, statuses
from fakes.stacks import server
from infra_runtime.data_directory import checksums, restoration, snapshots, wipe
from infra_runtime.data_directory.paths import Paths
from infra_runtime.host import disk
from infra_runtime.messages import Phase
from infra_runtime.supervisor.snapshots import restore, save

pytestmark = pytest.mark.process

FILES = ("one", "folder/two")
SERVICES = ("a", "b", "c")
#: the services that have a folder; `c` was never started when the snapshot was restored
STARTED = ("a", "b")


class Stack:
    """What saving and restoring need of a supervisor; its commands run in this process."""

    def __init__(self, data: Path) -> None:
        self.paths = Paths(str(data), {"INFRA_RUNTIME_DIR": f"{data}-run", "HOME": str(data.parent)})
        self.environment = "development"
        states = {
            name: SimpleNamespace(phase=Phase.READY, wanted=True, spec=server(name)) for name in SERVICES
        }
        self.machine = SimpleNamespace(services=states, settled=lambda _: True)
        self.bound = {name: SimpleNamespace(command=(sys.executable,), quiesce=None) for name in SERVICES}
        self.children = self
        self.journal = SimpleNamespace(write=lambda *_, **__: None)
        self.frozen: set[str] = set()
        self.killed: set[str] = set()

    async def freeze(self, services: list[str]) -> None:
        self.frozen |= set(services)

    def signal_all(self, service: str, number: int) -> None:
        assert number == signal.SIGCONT
        self.frozen.discard(service)

    def kill(self, service: str) -> None:
        self.killed.add(service)

    async def settle(self, _services: list[str]) -> None:
        pass

    def dispatch(self, _event: object) -> None:
        pass

    async def run(self, _service: str, command: tuple[str, ...], **_options: Any) -> int:
        if command[0] != "cp":
            checksums.main(list(command[command.index("-c") + 2 :]))
            return 0
        *sources, into = (word for word in command[1:] if not word.startswith("-"))
        try:
            for source in sources:
                shutil.copytree(source, f"{into}/{Path(source).name}", symlinks=True)
        except (OSError, shutil.Error):
            return 1
        return 0


def fill(folder: Path, text: str) -> None:
    """Write the files of a service, all with the same text."""
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def texts(folder: Path) -> set[str]:
    """Return the texts of the files of a service, which must all exist when one does."""
    if not any(path.is_file() for path in folder.rglob("*")):
        return set()
    return {(folder / name).read_text() if (folder / name).exists() else "missing" for name in FILES}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a temporary folder, in memory where that is possible: it is copied hundreds of times."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="infra-", dir=memory) as path:
        yield Path(path)


@pytest.fixture
def data(folder: Path) -> Path:
    """Return the path of the data directory; no process is started in it."""
    return folder / "disk" / "data"


@pytest.fixture
def template(folder: Path) -> Path:
    """Create a data directory with the state `now` and a snapshot `s` with the state `then`."""
    folder = folder / "template"
    stack = Stack(folder)
    for name in SERVICES:
        fill(folder / "services" / name, "then")
    (folder / "infra.json").write_text("{}")
    (folder / "logs").mkdir()
    asyncio.run(save(stack, "s"))
    for name in SERVICES:
        shutil.rmtree(folder / "services" / name)
    for name in STARTED:
        fill(folder / "services" / name, "now")
    return folder


@pytest.fixture
def prepared(template: Path, data: Path):
    """Return a function that makes the data directory a copy of the template."""

    def prepare() -> None:
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(template, data)

    return prepare


def states(data: Path) -> Mapping[str, set[str]]:
    return {name: texts(data / "services" / name) for name in SERVICES}


THEN = {name: {"then"} for name in SERVICES}
NOW = {"a": {"now"}, "b": {"now"}, "c": set()}


def recover(paths: Paths) -> None:
    """Do what a supervisor does at its start."""
    for path in restoration.recover(paths)[1]:
        disk.remove(path)


def check_snapshot(data: Path, *accepted: str) -> str:
    """Return the text of the only snapshot, which must be complete and have one of these texts."""
    paths = Paths(str(data))
    listed, damaged = snapshots.listing(paths)
    assert ([snapshot.name for snapshot in listed], damaged) == (["s"], [])
    folder, _ = snapshots.describe(paths, "s")
    assert checksums.difference(folder, f"{folder}/services", durable=False) == ""
    [text] = texts(Path(folder) / "services" / "a")
    assert text in accepted
    return text


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def check_no_leftovers(data: Path) -> None:
    assert names(data / "services") <= set(SERVICES)
    assert names(data / "snapshots") <= {"s"}
    assert names(data) <= {"services", "snapshots", "logs", "infra.json", "supervisor.lock"}


def test_a_restore_that_is_killed_leaves_the_old_or_the_new_state(prepared, data) -> None:
    ends = []
    for status in statuses(data.parent, prepared, lambda: asyncio.run(restore(Stack(data), "s"))):
        recover(Paths(str(data)))

        assert states(data) in (THEN, NOW)
        assert status == KILLED or states(data) == THEN
        check_snapshot(data, "then")
        check_no_leftovers(data)
        ends.append("then" if states(data) == THEN else "now")

    assert len(ends) > 30
    assert ends == sorted(ends)  # `now` until the one step that completes the restore, then `then`
    assert ends[0] == "now"


def test_a_recovery_that_is_killed_is_completed_by_the_next_one(prepared, data) -> None:
    paths = Paths(str(data))
    kills, seen = 0, set()
    for _ in statuses(data.parent, prepared, lambda: asyncio.run(restore(Stack(data), "s"))):
        # Between two states are changes that make no difference for the recovery, such as a sync.
        tree = frozenset(str(path) for path in (data / "services").rglob("*") if "new/" not in str(path))
        if tree in seen or not (data / "services" / ".restored.old").exists():
            continue
        seen.add(tree)
        for status in statuses(data.parent, lambda: None, lambda: recover(paths)):
            recover(paths)

            assert states(data) == NOW
            check_no_leftovers(data)
            kills += status == KILLED

    assert kills > 30


def test_a_restore_that_fails_leaves_the_services_running_with_their_state(prepared, data) -> None:
    failures = 0

    def act() -> None:
        stack = Stack(data)
        try:
            asyncio.run(restore(stack, "s"))
        finally:
            assert not stack.frozen or stack.killed == set(SERVICES)
            assert states(data) == (THEN if stack.killed else NOW)

    for status in statuses(data.parent, prepared, act, fail=True):
        assert states(data) == (NOW if status == FAILED else THEN)
        check_snapshot(data, "then")
        recover(Paths(str(data)))
        assert states(data) == (NOW if status == FAILED else THEN)
        check_no_leftovers(data)
        failures += status == FAILED

    assert failures > 20


def test_a_save_that_is_killed_leaves_the_older_or_the_newer_snapshot(prepared, data) -> None:
    texts_after = []
    for status in statuses(
        data.parent,
        lambda: (prepared(), fill(data / "services" / "c", "now")),
        lambda: asyncio.run(save(Stack(data), "s")),
    ):
        before = check_snapshot(data, "then", "now")

        recover(Paths(str(data)))

        assert check_snapshot(data, "then", "now") == before
        assert status == KILLED or before == "now"
        assert states(data) == {name: {"now"} for name in SERVICES}
        check_no_leftovers(data)
        texts_after.append(before)

    assert len(texts_after) > 30
    assert texts_after == sorted(texts_after, reverse=True)
    assert texts_after[0] == "then"


def test_a_save_that_fails_leaves_the_older_snapshot_and_no_other_files(prepared, data) -> None:
    failures = 0

    def act() -> None:
        stack = Stack(data)
        try:
            asyncio.run(save(stack, "s"))
        finally:
            assert not stack.frozen
            assert not stack.killed

    def prepare() -> None:
        prepared()
        fill(data / "services" / "c", "now")

    for status in statuses(data.parent, prepare, act, fail=True):
        assert check_snapshot(data, "then", "now") == "then" or status == COMPLETE
        failures += status == FAILED

    assert failures > 20


def test_after_a_killed_removal_the_snapshot_is_complete_or_removed(prepared, data) -> None:
    paths = Paths(str(data))
    left = []
    for _ in statuses(data.parent, prepared, lambda: snapshots.remove(paths, "s")):
        listed, damaged = snapshots.listing(paths)
        assert damaged == []
        if listed:
            check_snapshot(data, "then")

        recover(paths)

        assert snapshots.listing(paths) == (listed, [])
        check_no_leftovers(data)
        left.append(len(listed))

    assert left == sorted(left, reverse=True)
    assert left[-1] == 0


def test_a_wipe_that_is_killed_leaves_the_data_of_all_services_or_of_none(prepared, data) -> None:
    paths = Paths(str(data))
    for _ in statuses(data.parent, prepared, lambda: wipe.remove(paths)):
        if data.exists():
            assert states(data) in (NOW, {name: set() for name in SERVICES})

            wipe.remove(paths)

        assert not data.exists() or not any(data.iterdir())
