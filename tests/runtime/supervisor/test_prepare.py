"""The steps that prepare a service: files, secrets, commands and seeds."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from infra_runtime.data_directory import seed_cache
from infra_runtime.spec import Remove, RequireFile, Run, Secret, Seed, ServiceSpec, Step, WriteFile
from infra_runtime.supervisor.binding import Bound, Scope
from infra_runtime.supervisor.prepare import prepare
from infra_runtime.supervisor.seed_folders import seed_key
from infra_runtime.supervisor.steps import StepError

pytestmark = pytest.mark.asyncio


class Machine:
    """Folders for services and the cache, and a record of the commands; the command `fails` fails."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        self.commands: list[tuple[str, ...]] = []
        self.begun = asyncio.Event()
        self.fails: str = ""
        self.tool = folder / "tool"
        self.tool.write_text("#!/bin/sh\n")

    def bound(self, *steps: Step, stack: str = "one") -> Bound:
        spec = ServiceSpec(name="db", command=("db",), prepare=steps)
        return Bound(spec, f"{self.folder}/{stack}/db", f"{self.folder}/{stack}/run", {"main": 20123})

    @property
    def scope(self) -> Scope:
        return Scope(str(self.folder), "test", {"tool": str(self.tool)}, {})

    async def run(self, command: tuple[str, ...], env: Mapping[str, str]) -> int:
        self.commands.append(command)
        self.begun.set()
        if command[0] == self.fails:
            return 1
        child = await asyncio.create_subprocess_exec(*command, env={**os.environ, **env})
        try:
            return await child.wait()
        except asyncio.CancelledError:
            child.kill()
            await child.wait()
            raise

    async def prepare(self, *steps: Step, stack: str = "one") -> Path:
        """Prepare the service and return its data folder."""
        bound = self.bound(*steps, stack=stack)
        await prepare(bound, self.scope, {}, str(self.cache), self.run)
        return Path(bound.data)

    def times(self, program: str) -> int:
        return sum(command[0] == program for command in self.commands)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


TREE = Seed(
    into="${data}", steps=(Run(command=("mkdir", "${out}/made")), WriteFile(path="${out}/file", text="text"))
)

KEY = Secret(path="${data}/key.secret")

# --- files and secrets -----------------------------------------------------------------------------


async def test_the_folders_of_a_service_have_mode_0700(machine) -> None:
    folder = await machine.prepare()

    assert mode(folder) == mode(folder.parent / "run") == 0o700


async def test_a_file_is_written_with_mode_0600_and_its_references_replaced(machine) -> None:
    folder = await machine.prepare(WriteFile(path="${data}/etc/db.conf", text="port=${port.main}\n"))

    assert (folder / "etc" / "db.conf").read_text() == "port=20123\n"
    assert mode(folder / "etc" / "db.conf") == 0o600


async def test_a_file_may_be_made_executable(machine) -> None:
    folder = await machine.prepare(WriteFile(path="${data}/hook", text="#!/bin/sh\n", mode=0o700))

    assert mode(folder / "hook") == 0o700


async def test_a_file_is_written_again_at_each_start(machine) -> None:
    folder = await machine.prepare(WriteFile(path="${data}/db.conf", text="old"))

    await machine.prepare(WriteFile(path="${data}/db.conf", text="new"))

    assert (folder / "db.conf").read_text() == "new"


async def test_references_in_json_are_escaped(tmp_path) -> None:
    """Letters are not escaped: some formats that resemble JSON do not support \\uXXXX."""
    odd = tmp_path / 'a "quoted" \\ größe'
    odd.mkdir()
    machine = Machine(odd)

    folder = await machine.prepare(WriteFile(path="${data}/db.json", text='{"data": "${data}"}', json=True))

    text = (folder / "db.json").read_text()
    assert json.loads(text) == {"data": str(folder)}
    assert "größe" in text


async def test_a_path_that_is_not_utf8_is_written_unchanged(tmp_path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        odd.mkdir()
    except OSError:
        pytest.skip("this file system accepts only Unicode names")

    folder = await Machine(odd).prepare(WriteFile(path="${data}/db.conf", text="${data}"))

    assert (folder / "db.conf").read_bytes() == os.fsencode(folder)


async def test_a_secret_is_created_once_with_mode_0600(machine) -> None:
    folder = await machine.prepare(Secret(path="${data}/key.secret"))
    first = (folder / "key.secret").read_text()

    await machine.prepare(Secret(path="${data}/key.secret"))

    assert (folder / "key.secret").read_text() == first
    assert len(first) == 48
    assert mode(folder / "key.secret") == 0o600


async def test_two_secrets_are_never_the_same(machine) -> None:
    folder = await machine.prepare(Secret(path="${data}/a.secret"), Secret(path="${data}/b.secret"))

    assert (folder / "a.secret").read_text() != (folder / "b.secret").read_text()


# --- required files and commands -------------------------------------------------------------------


async def test_data_of_another_version_is_refused_with_what_was_found(machine) -> None:
    folder = await machine.prepare()
    (folder / "VERSION").write_text("19\n")
    expect = RequireFile(path="${data}/VERSION", text="18", problem="the data is of version {found}, not 18")

    with pytest.raises(StepError, match="the data is of version 19, not 18"):
        await machine.prepare(expect)


async def test_a_missing_file_satisfies_an_expectation(machine) -> None:
    await machine.prepare(RequireFile(path="${data}/VERSION", text="18", problem="{found}"))


async def test_a_file_of_a_killed_process_is_removed_if_it_exists(machine) -> None:
    folder = await machine.prepare()
    (folder / "server.pid").write_text("1")

    await machine.prepare(Remove(path="${data}/server.pid"))
    await machine.prepare(Remove(path="${data}/server.pid"))

    assert not (folder / "server.pid").exists()


@pytest.mark.process
async def test_a_command_that_fails_fails_the_start_with_its_name_and_status(machine) -> None:
    with pytest.raises(StepError, match="false exited with status 1 in a step that prepares the service"):
        await machine.prepare(Run(command=("false",)))


@pytest.mark.process
async def test_a_command_gets_its_environment(machine) -> None:
    command = ("sh", "-c", 'echo $WHERE > "$0"', "${data}/out")

    folder = await machine.prepare(Run(command=command, env={"WHERE": "${host}"}))

    assert (folder / "out").read_text() == "127.0.0.1\n"


# --- seeds -----------------------------------------------------------------------------------------


@pytest.mark.process
async def test_a_seed_is_built_once_and_copied_for_each_stack(machine) -> None:
    folders = [await machine.prepare(TREE, stack=stack) for stack in ("one", "two", "three")]

    assert machine.times("mkdir") == 1
    assert all((folder / "made").is_dir() for folder in folders)


@pytest.mark.process
async def test_a_seed_keeps_the_modes_of_its_files(machine) -> None:
    folder = await machine.prepare(TREE)

    assert mode(folder) == 0o700
    assert mode(folder / "file") == 0o600
    assert mode(machine.cache) == 0o700


@pytest.mark.process
async def test_concurrent_stacks_build_a_seed_once(machine) -> None:
    stacks = [f"stack{number}" for number in range(5)]

    await asyncio.gather(*(machine.prepare(TREE, stack=stack) for stack in stacks))

    assert machine.times("mkdir") == 1


async def test_a_seed_does_not_change_existing_data(machine) -> None:
    folder = await machine.prepare()
    (folder / "mine").write_text("data")
    (folder / "key.secret").write_text("key")

    await machine.prepare(TREE, KEY)

    assert sorted(path.name for path in folder.iterdir()) == ["key.secret", "mine"]
    assert machine.commands == []


async def test_files_in_the_folder_of_a_seed_from_before_the_first_start_are_an_error_and_stay(
    machine,
) -> None:
    folder = await machine.prepare()
    (folder / "mine").write_text("data")

    with pytest.raises(
        StepError, match=r"db contains mine, but not key\.secret: .* Move it to another folder"
    ):
        await machine.prepare(TREE, KEY)

    assert [path.name for path in folder.iterdir()] == ["mine"]
    assert machine.commands == []


@pytest.mark.process
async def test_an_incomplete_copy_of_a_seed_is_not_used(machine) -> None:
    machine.fails = "cp"
    with pytest.raises(StepError, match=r"cp .* exited with status 1"):
        await machine.prepare(TREE)
    assert list((machine.folder / "one" / "db").iterdir()) == []
    (machine.folder / "one" / "db.new").mkdir()
    (machine.folder / "one" / "db.new" / "half").touch()

    machine.fails = ""
    folder = await machine.prepare(TREE)

    assert sorted(path.name for path in folder.iterdir()) == ["file", "made"]


@pytest.mark.process
async def test_an_incomplete_seed_is_built_again(machine) -> None:
    machine.fails = "mkdir"
    with pytest.raises(StepError, match="mkdir exited with status 1"):
        await machine.prepare(TREE)
    machine.fails = ""

    folder = await machine.prepare(TREE)

    assert (folder / "made").is_dir()


@pytest.mark.process
async def test_a_cancelled_start_releases_the_lock_of_a_seed(machine) -> None:
    """The next start builds the seed."""
    first = asyncio.create_task(machine.prepare(TREE))
    await machine.begun.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)

    folder = await asyncio.wait_for(machine.prepare(TREE, stack="two"), 60)

    assert (folder / "made").is_dir()


def cached(machine: Machine) -> Path:
    """Return the cached tree."""
    (tree,) = [path for path in machine.cache.iterdir() if path.is_dir()]
    return tree


@pytest.mark.process
@pytest.mark.parametrize(
    "damage",
    [
        lambda tree: (tree / "file").unlink(),
        lambda tree: (tree / "file").write_text("tex"),
        lambda tree: (tree / "file").write_text("TEXT"),
        lambda tree: (tree / "made").rmdir(),
        lambda tree: (tree / "more").touch(),
        lambda tree: (tree / "made").rename(tree / "renamed"),
        lambda tree: ((tree / "file").unlink(), (tree / "file").symlink_to("made")),
        lambda tree: Path(f"{tree}.json").unlink(),
        lambda tree: Path(f"{tree}.json").write_text("{"),
        lambda tree: Path(f"{tree}.json").write_text("{}"),
        lambda tree: Path(f"{tree}.json").write_text("[]"),
    ],
    ids=[
        *("missing file", "short file", "changed file", "missing folder", "new file", "renamed", "link"),
        *("no stamp", "cut stamp", "empty stamp", "other JSON"),
    ],
)
async def test_a_damaged_seed_is_built_again(machine, damage) -> None:
    await machine.prepare(TREE)
    damage(cached(machine))

    folder = await machine.prepare(TREE, stack="two")

    assert (folder / "file").read_text() == "text"
    assert sorted(path.name for path in folder.iterdir()) == ["file", "made"]
    assert machine.times("mkdir") == 2
    await machine.prepare(TREE, stack="three")
    assert machine.times("mkdir") == 2


@pytest.mark.process
async def test_a_seed_that_stays_damaged_is_named_in_the_error(machine, monkeypatch) -> None:
    monkeypatch.setattr(seed_cache, "stamp", lambda _: None)

    with pytest.raises(StepError, match=r"the seed .*/cache/db-.* is still damaged.*`infra cache clean`"):
        await machine.prepare(TREE)

    assert not (machine.folder / "one" / "db.new").exists()


@pytest.mark.process
async def test_nothing_of_an_interrupted_build_is_left(machine) -> None:
    slow = Seed(into="${data}", steps=(WriteFile(path="${out}/file", text=""), Run(command=("sleep", "60"))))
    start = asyncio.create_task(machine.prepare(slow))
    await machine.begun.wait()
    assert seed_cache.building_folder(str(machine.cache)) in map(str, machine.cache.iterdir())

    start.cancel()
    await asyncio.gather(start, return_exceptions=True)

    assert [path.name for path in machine.cache.iterdir() if path.suffix != ".lock"] == []


@pytest.mark.process
async def test_a_new_seed_replaces_the_least_recently_used_one(machine, monkeypatch) -> None:
    monkeypatch.setattr(seed_cache.victims, "__defaults__", (5,))
    other = Seed(into="${data}", steps=(WriteFile(path="${out}/file", text="other"),))
    await machine.prepare(TREE)

    await machine.prepare(other, stack="two")

    assert (cached(machine) / "file").read_text() == "other"


async def test_a_changed_program_or_step_changes_the_key_of_a_seed(machine) -> None:
    uses_tool = Seed(into="${data}", steps=(Run(command=("${bin.tool}",)),))
    other_step = Seed(into="${data}", steps=(Run(command=("${bin.tool}", "-x")),))
    first = seed_key(uses_tool, machine.scope.binaries)

    assert seed_key(uses_tool, machine.scope.binaries) == first
    assert seed_key(other_step, machine.scope.binaries) != first
    machine.tool.write_text("#!/bin/sh\n# a newer one\n")
    assert seed_key(uses_tool, machine.scope.binaries) != first


async def test_an_error_of_the_disk_contains_the_path(machine) -> None:
    machine.cache.write_text("a file where the cache should be")

    with pytest.raises(OSError, match=r"cache") as caught:
        await machine.prepare(TREE)

    assert caught.value.filename == str(machine.cache)
