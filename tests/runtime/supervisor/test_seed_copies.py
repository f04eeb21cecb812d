"""Copies of seeds that start together with the supervisor, before its services are known."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.stacks import is_running, journal_events, kill, kill_both, resolved, server, services_of, until
from infra_runtime.data_directory import lock
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import raise_failures
from infra_runtime.engines.local.engine import LocalEngine
from infra_runtime.engines.local.stack import Stack
from infra_runtime.host import file_lock, processes
from infra_runtime.spec import Run, Seed, ServiceSpec
from infra_runtime.supervisor.planned_copies import planned, seed_folder

#: builds a tree with a file that has the same content in every copy
BUILD = Run(command=("sh", "-c", "echo content > ${out}/file"))
#: a copy that leaves a file, so that a test can distinguish it from a later copy
MARKED = "lambda tree, to, copy=copy: (copy(tree, to), open(f'{to}/early', 'w').close())"
ENDLESS = "lambda tree, to: time.sleep(600)"
Open = Callable[[str], Stack]


def seeded(name: str = "web") -> ServiceSpec:
    return server(name, prepare=(Seed(into="${data}", steps=(BUILD,)),))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the seeds, in a cache for this test."""
    monkeypatch.setenv("INFRA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "seeds"


@pytest.fixture
def tree(data: Path) -> Path:
    """The folder of the seed, which a first start has built."""
    start(data, "copy")
    [seed] = seeded().prepare
    assert isinstance(seed, Seed)
    return Path(seed_folder(Paths(str(data)).seeds(), seeded(), seed, {}))


def opened(data: Path, copy: str, *specs: ServiceSpec) -> Stack:
    """Open a stack whose supervisor uses another function for the early copies; start no service."""

    def launch(argv: list[str]) -> subprocess.Popen[bytes]:
        patch = "import os, time; from infra_runtime.host import file_copy; copy = file_copy.copy; "
        patch += f"file_copy.copy = {copy}; "
        code = argv[4].replace(
            "from infra_runtime.supervisor.main", f"{patch}from infra_runtime.supervisor.main"
        )
        return subprocess.Popen(
            [*argv[:4], code, *argv[5:]], stdin=subprocess.DEVNULL, start_new_session=True
        )

    return LocalEngine(launch=launch).open(resolved(data, specs or [seeded()]))


def start(data: Path, copy: str) -> list[str]:
    """Start the service with this function for the early copy; return the files in its data folder."""
    with opened(data, copy) as stack:
        raise_failures(stack.up(resolved(data, [seeded()])).failures)
        folder = services_of(data)
        assert sorted(path.name for path in folder.iterdir()) == ["web"]
        return sorted(path.name for path in (folder / "web").iterdir())


def supervisor(data: Path) -> int:
    """Return the pid of the supervisor that was started last."""
    return next(event.pid for event in reversed(journal_events(data)) if event.event == "up")


def copies(data: Path) -> list[int]:
    """Return the pids of the processes that copy seeds."""
    guardian = int(Path(Paths(str(data)).lock).read_text().split()[0])
    children = {process.pid for process in processes.descendants(supervisor(data))}
    return sorted(children - {guardian})


def test_the_service_uses_the_copy_that_was_started_with_the_supervisor(tree: Path, data: Path) -> None:
    assert start(data, MARKED) == ["early", "file"]


def test_the_data_folder_is_private(tree: Path, data: Path) -> None:
    with opened(data, MARKED) as stack:
        raise_failures(stack.up(resolved(data, [seeded()])).failures)

        assert stack.web.data.stat().st_mode & 0o777 == tree.stat().st_mode & 0o777


def test_a_seed_without_a_copy_in_the_cache_is_built_as_before(data: Path) -> None:
    assert start(data, MARKED) == ["file"]


@pytest.mark.parametrize(
    "function",
    [
        "lambda tree, to: copy('/missing', to)",
        "lambda tree, to: (os.mkdir(to), 1 / 0)",
        "lambda tree, to: (os.mkdir(to), os.kill(os.getpid(), 9))",
    ],
)
def test_a_copy_that_fails_is_repeated(tree: Path, data: Path, function: str) -> None:
    assert start(data, function) == ["file"]


def test_a_copy_of_a_damaged_seed_is_not_used(tree: Path, data: Path) -> None:
    (tree / "file").write_text("damaged")

    assert start(data, MARKED) == ["file"]
    assert (tree / "file").read_text() == "content\n"


def test_a_copy_of_another_seed_is_not_used(tree: Path, data: Path) -> None:
    """Another client can start a service of this name with other settings."""
    other = server("web", prepare=(Seed(into="${data}", steps=(BUILD, BUILD)),))
    with opened(data, MARKED) as stack:
        raise_failures(stack.up(resolved(data, [other])).failures)

        assert [path.name for path in stack.web.data.iterdir()] == ["file"]


def test_the_seed_can_be_removed_after_the_start(tree: Path, data: Path) -> None:
    with opened(data, "copy") as stack:
        raise_failures(stack.up(resolved(data, [seeded()])).failures)

        descriptor = file_lock.acquire(f"{tree}.lock")

        assert descriptor is not None
        os.close(descriptor)


def test_a_copy_of_a_service_that_is_not_started_ends_with_the_stack(tree: Path, data: Path) -> None:
    stack = opened(data, ENDLESS)
    [copying] = copies(data)

    assert stack.finish().clean
    assert not is_running(copying)


def test_the_guardian_ends_a_copy_after_the_supervisor_was_killed(tree: Path, data: Path) -> None:
    stack = opened(data, ENDLESS)
    [copying] = copies(data)

    kill(supervisor(data))

    until(lambda: not is_running(copying) and not services_of(data).exists())
    stack.close()


def test_the_next_supervisor_waits_for_a_copy_whose_guardian_was_killed(tree: Path, data: Path) -> None:
    stack = opened(data, ENDLESS)
    [copying] = copies(data)
    kill_both(data, supervisor(data))
    stack.close()

    locked = lock.take(Paths(str(data))) is None
    kill(copying)

    assert locked
    assert start(data, "copy") == ["file"]


def test_only_seeds_of_whole_data_folders_are_copied_early(tree: Path, data: Path) -> None:
    below = server("api", prepare=(Seed(into="${data}/below", steps=(BUILD,)),))
    unbuilt = server("db", prepare=(Seed(into="${data}", steps=(BUILD, BUILD)),))

    text = planned([seeded(), below, unbuilt, server("plain")], {}, Paths(str(data)))

    assert json.loads(text) == [["web", str(tree), False]]


def test_other_environments_have_no_early_copies(tree: Path, data: Path, tmp_path: Path) -> None:
    commands: list[list[str]] = []

    def launch(argv: list[str]) -> subprocess.Popen[bytes]:
        commands.append(argv)
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True)

    spec = resolved(tmp_path / "development", [seeded()], environment="development")
    LocalEngine(launch=launch).open(spec).down()

    assert [argv[-2] for argv in commands] == ["[]"]
