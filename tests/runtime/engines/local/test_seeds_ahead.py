"""The client copies seeds while the supervisor that it has started imports its modules."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.stacks import resolved, server, services_of, until
from infra_runtime.data_directory import memory_folder
from infra_runtime.data_directory.marker import make_data_directory
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import Client, raise_failures
from infra_runtime.engines.local.engine import LocalEngine
from infra_runtime.engines.local.launch import launcher, make_home
from infra_runtime.errors import InfraError
from infra_runtime.host import file_copy, memory
from infra_runtime.spec import Run, Seed
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
