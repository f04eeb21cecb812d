"""The client copies seeds while the supervisor that it has started imports its modules."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.stacks import resolved, server, services_of, until
from fakes.users import MALLORY
from infra_runtime.data_directory import memory_folder, seed_cache
from infra_runtime.data_directory.marker import make_data_directory
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local import seeds_ahead
from infra_runtime.engines.local.client import Client, raise_failures
from infra_runtime.engines.local.engine import LocalEngine
from infra_runtime.engines.local.launch import launcher, make_home
from infra_runtime.errors import InfraError
from infra_runtime.host import disk, file_copy, file_lock, memory
from infra_runtime.messages import Up
from infra_runtime.spec import Run, Seed, ServiceSpec
from infra_runtime.supervisor.argv import command
from infra_runtime.supervisor.seed_folders import seed_folder

pytestmark = pytest.mark.skipif(bool(memory.obstacle()), reason="/dev/shm has no room for the data of tests")

SEED = Seed(into="${data}", steps=(Run(command=("sh", "-c", "echo content > ${out}/file")),))
SPEC = server("web", prepare=(SEED,))
Copy = Callable[[str, str], None]


@pytest.fixture
def tree(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the seed, which a first start has built."""
    monkeypatch.setenv("INFRA_CACHE", str(tmp_path / "cache"))
    assert started(data) == ["file"]
    return Path(seed_folder(Paths(str(data)).seeds(), SPEC, SEED, {}))


def started(data: Path) -> list[str]:
    """Start the service; return the files in its data folder."""
    plan = resolved(data, [SPEC])
    with LocalEngine().open(plan, starting=True) as stack:
        raise_failures(stack.up(plan).failures)
        return sorted(path.name for path in (services_of(data) / "web").iterdir())


def folders(data: Path) -> list[str]:
    """Return the folders in RAM of the stack."""
    stack = Paths(str(data)).stack
    return [path.name for path in Path(memory.TMPFS).glob(f"infra-{stack}-*")]


def marked(tree: str, to: str, copy: Copy = file_copy.copy) -> None:
    """Copy a folder, and add a file by which the client's copies can be distinguished."""
    copy(tree, to)
    Path(to, "by-client").touch()


def fails(tree: str, to: str) -> None:
    raise OSError(28, "No space left on device", to)


def ends(tree: str, to: str) -> None:
    Path(to).mkdir()
    raise SystemExit


def is_interrupted(*_: object, **__: object) -> Client:
    raise KeyboardInterrupt


def has_no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def request(cache: Path) -> Up:
    """Return a request with a service that has two seeds; their folders exist."""
    seeds = [Seed(into="${data}", steps=(Run(command=(name,)),)) for name in ("first", "second")]
    spec = ServiceSpec(name="web", command=("true",), prepare=tuple(seeds))
    for seed in seeds:
        tree = seed_folder(str(cache), spec, seed, {})
        Path(tree).mkdir(parents=True)
        Path(tree, "file").touch()
        seed_cache.stamp(tree)
    return Up(services=(spec,), root="/", binaries={}, variables={})


def opened_below(folder: str) -> list[str]:
    """Return the files below a folder that this process has open."""
    targets = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            targets.append(str(link.readlink()))
    return [target for target in targets if target.startswith(f"{folder}/")]


def test_the_service_uses_the_copy_of_the_client(
    tree: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_copy, "copy", marked)

    assert started(data) == ["by-client", "file"]
    assert not folders(data)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("copy", [fails, ends])
def test_a_copy_that_fails_is_made_by_the_supervisor(
    tree: Path, data: Path, monkeypatch: pytest.MonkeyPatch, copy: Copy
) -> None:
    monkeypatch.setattr(file_copy, "copy", copy)

    assert started(data) == ["file"]
    assert not folders(data)


def test_a_copy_of_a_damaged_seed_is_not_used(
    tree: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_copy, "copy", marked)
    (tree / "file").write_text("damaged")

    assert started(data) == ["file"]
    assert (tree / "file").read_text() == "content\n"


def test_after_ctrl_c_during_the_copy_nothing_remains(
    tree: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client, "greet", is_interrupted)

    with pytest.raises(KeyboardInterrupt):
        started(data)

    until(lambda: not folders(data) and not Path(Paths(str(data)).run).exists())


def test_the_copies_for_a_supervisor_that_does_not_start_are_removed(tree: Path, data: Path) -> None:
    def launch(argv: list[str], stdin: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen([argv[0], "-c", "raise SystemExit(3)"], stdin=stdin)

    plan = resolved(data, [SPEC])
    with pytest.raises(InfraError):
        LocalEngine(launch=launch).open(plan, starting=True)

    assert not folders(data)


@pytest.mark.parametrize("tmpfs", [True, False])
def test_the_supervisor_removes_the_copies_of_a_killed_client(tree: Path, data: Path, tmpfs: bool) -> None:
    paths = Paths(str(data))
    make_home(paths)
    make_data_directory(paths, "test")
    copies = memory_folder.new_path(paths)
    os.close(memory_folder.make(paths, copies))
    ours, theirs = socket.socketpair()
    with theirs:
        launch = launcher(paths)
        child = launch(command(paths, "test", tmpfs=tmpfs, copies=copies), theirs.fileno())
    ours.close()

    assert child is not None
    child.wait()
    assert not folders(data)


def test_without_a_thread_the_supervisor_makes_the_copy(
    tree: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading.Thread, "start", has_no_thread)

    assert started(data) == ["file"]
    assert not folders(data)


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_after_an_error_before_the_copies_no_file_stays_open_or_locked(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    monkeypatch.setenv("INFRA_CACHE", str(tmp_path / "cache"))
    paths, acquire_current = Paths(str(data)), file_lock.acquire_current
    calls: list[str] = []

    def fails_at_the_second(path: str) -> int:
        calls.append(path)
        if len(calls) == 2:
            raise error
        return acquire_current(path)

    monkeypatch.setattr(file_lock, "acquire_current", fails_at_the_second)
    folder = memory_folder.new_path(paths)
    with contextlib.suppress(KeyboardInterrupt):
        seeds_ahead.start(paths, request(Path(paths.seeds())), folder).close()

    assert len(calls) == 2
    assert not opened_below(folder)
    assert not folders(data)


def test_copies_do_not_create_the_folder_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second Ctrl-C interrupts the wait for the copies; the folder is then removed during a copy."""
    monkeypatch.setenv("INFRA_CACHE", str(tmp_path / "cache"))
    paths = Paths(str(data))
    calls: list[str] = []

    def loses_the_folder(_: str, to: str) -> None:
        calls.append(to)
        disk.remove(folder)
        raise FileNotFoundError(2, "No such file or directory", to)

    monkeypatch.setattr(file_copy, "copy", loses_the_folder)
    folder = memory_folder.new_path(paths)
    seeds_ahead.start(paths, request(Path(paths.seeds())), folder).close()

    assert len(calls) == 1


def test_a_process_cannot_move_a_copy_that_is_being_removed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process of a service may wait for the copy when the client closes its connection."""
    monkeypatch.setenv("INFRA_CACHE", str(tmp_path / "cache"))
    paths, remove = Paths(str(data)), disk.remove
    removed: list[str] = []

    def removes(path: str) -> None:
        if Path(path).parent == Path(memory.TMPFS):
            removed.append(path)
            assert not Path(folder).exists()
        remove(path)

    monkeypatch.setattr(disk, "remove", removes)
    folder = memory_folder.new_path(paths)
    seeds_ahead.start(paths, request(Path(paths.seeds())), folder).close()

    assert removed
    assert not folders(data)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can create a folder of another user")
def test_copies_in_a_folder_of_another_user_are_not_used(
    tree: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path is among the arguments of the supervisor, so another user can create the folder first."""
    foreign = Path(memory_folder.new_path(Paths(str(data))))
    copy = foreign / tree.name
    copy.mkdir(parents=True)
    (copy / "foreign").touch()
    (foreign / f"{tree.name}.lock").touch()
    for path in (foreign, *foreign.rglob("*")):
        os.chown(path, MALLORY, MALLORY)
    monkeypatch.setattr(memory_folder, "new_path", lambda _: str(foreign))

    assert started(data) == ["file"]


def test_a_service_does_not_wait_for_the_copy_of_a_paused_client(
    tree: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other clients can use the stack while the client that has started it is paused."""
    continued = threading.Event()

    def is_paused(tree: str, to: str) -> None:
        continued.wait()

    def launch(argv: list[str], stdin: int) -> subprocess.Popen[bytes]:
        patch = "from infra_runtime.supervisor import early_starts; early_starts.COPY_SECONDS = 0.1; "
        code = argv[4].replace(
            "from infra_runtime.supervisor.main", f"{patch}from infra_runtime.supervisor.main"
        )
        return subprocess.Popen([*argv[:4], code, *argv[5:]], stdin=stdin)

    monkeypatch.setattr(file_copy, "copy", is_paused)
    plan = resolved(data, [SPEC])
    with LocalEngine(launch=launch).open(plan, starting=True) as stack:
        raise_failures(stack.up(plan).failures)
        continued.set()

        assert (services_of(data) / "web" / "file").exists()
    assert not folders(data)
