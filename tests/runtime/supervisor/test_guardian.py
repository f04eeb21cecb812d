"""The guardian, as it really is: a process of its own that outlives its supervisor by some milliseconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.stacks import until
from infra_runtime.host import processes
from infra_runtime.host.processes import TOKEN, started
from infra_runtime.supervisor import guardian
from infra_runtime.supervisor.children import Guardian

ROOT = Path(processes.__file__).parents[2]


class Guarded:
    """A guardian, the pipe that it reads, and programs to guard."""

    def __init__(self, folder: Path) -> None:
        self.run = folder / "run"
        self.run.mkdir()
        self.token = uuid.uuid4().hex
        self.children: list[subprocess.Popen[bytes]] = []
        theirs, self.pipe = os.pipe()
        code = (
            f"import sys; sys.path.insert(0, {str(ROOT)!r}); import infra_runtime.supervisor.guardian as g; "
        )
        code += "g.main(int(sys.argv[1]), sys.argv[2], sys.argv[3]); print(*sorted(sys.modules))"
        command = [sys.executable, "-I", "-S", "-c", code, str(theirs), self.token, str(self.run)]
        self.process = subprocess.Popen(command, pass_fds=(theirs,), stdout=subprocess.PIPE, text=True)
        os.close(theirs)

    def child(self, *command: str, **options: object) -> subprocess.Popen[bytes]:
        """A program that stays."""
        child = subprocess.Popen(command or ("sleep", "600"), start_new_session=True, **options)
        self.children.append(child)
        return child

    def tell(self, text: str) -> None:
        os.write(self.pipe, text.encode())

    def die(self) -> str:
        """What a supervisor does that is killed; returns what the guardian said when it had done its work."""
        os.close(self.pipe)
        self.pipe = -1
        output, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return output


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    found = Guarded(tmp_path)
    yield found
    if found.pipe != -1:
        os.close(found.pipe)
    for child in (*found.children, found.process):
        child.kill()
        child.wait()
    found.process.stdout.close()


def record(child: subprocess.Popen[bytes]) -> str:
    return f"+{child.pid} {started(child.pid)}\n"


def test_when_the_pipe_ends_everything_that_was_started_is_killed(guarded) -> None:
    children = [guarded.child(), guarded.child()]
    for child in children:
        guarded.tell(record(child))

    guarded.die()

    assert [child.wait(60) for child in children] == [-signal.SIGKILL] * 2


def test_who_bears_the_token_is_killed_though_nobody_told_of_it(guarded) -> None:
    child = guarded.child(env={**os.environ, TOKEN: guarded.token})
    until(lambda: processes.bears(child.pid, guarded.token))

    guarded.die()

    assert child.wait(60) == -signal.SIGKILL


@pytest.mark.process
def test_one_that_reads_no_more_holds_nobody_up_and_is_killed_to_be_replaced(tmp_path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        pipe = Guardian("token", lock.fileno(), [])
        os.kill(pipe.pid, signal.SIGSTOP)

        for pid in range(100_000, 110_000):
            pipe.watch(pid, "17")

        assert os.waitstatus_to_exitcode(os.waitpid(pipe.pid, 0)[1]) == -signal.SIGKILL
        pipe.start()
        pipe.dismiss()


def test_who_ended_before_is_not_looked_for(guarded) -> None:
    child = guarded.child()
    guarded.tell(record(child) + f"-{child.pid}\n")

    guarded.die()

    assert child.poll() is None


def test_a_pid_that_was_used_again_is_left_alone(guarded) -> None:
    stranger = guarded.child()
    guarded.tell(f"+{stranger.pid} 17\n")

    guarded.die()

    assert stranger.poll() is None


def test_a_record_that_was_cut_by_death_is_passed_over(guarded) -> None:
    child, other = guarded.child(), guarded.child()
    guarded.tell(record(child) + record(other).rstrip("\n"))

    guarded.die()

    assert child.wait(60) == -signal.SIGKILL
    assert other.poll() is None


def test_records_that_come_in_pieces_are_put_together(guarded) -> None:
    child = guarded.child()
    for letter in record(child):
        guarded.tell(letter)

    guarded.die()

    assert child.wait(60) == -signal.SIGKILL


def test_the_folder_of_the_sockets_goes_with_all_that_is_in_it(guarded, tmp_path) -> None:
    (guarded.run / "postgres").mkdir()
    (guarded.run / "postgres" / ".s.PGSQL.5432").touch()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "data").touch()
    (guarded.run / "link").symlink_to(tmp_path / "precious")

    guarded.die()

    assert not guarded.run.exists()
    assert (tmp_path / "precious" / "data").exists()


def test_a_folder_that_is_gone_already_is_no_error(guarded) -> None:
    guarded.run.rmdir()

    guarded.die()


def test_what_cannot_be_removed_does_not_keep_it_from_the_rest(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "folder"
    for name in ("a", "b", "c"):
        (folder / name).mkdir(parents=True)
        (folder / name / "file").touch()
    unlink = os.unlink

    def refuse(path: str) -> None:
        if "/b/" in path:
            raise PermissionError(1, "Operation not permitted", path)
        unlink(path)

    monkeypatch.setattr(os, "unlink", refuse)

    guardian._remove(str(folder))

    assert [path.name for path in folder.iterdir()] == ["b"]


def test_it_is_no_python_to_those_who_kill_by_name(guarded) -> None:
    name = Path(f"/proc/{guarded.process.pid}/comm")
    if not name.exists():
        pytest.skip("no /proc here, and so no name of its own")

    until(lambda: name.read_text() == "infra-guardian\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_polite_signals_do_not_end_it(guarded, number) -> None:
    child = guarded.child()
    guarded.tell(record(child))
    ignored = f"/proc/{guarded.process.pid}/status"
    if not Path(ignored).exists():
        pytest.skip("no /proc here, which tells when it is listening")
    until(lambda: _ignores(ignored, number))

    guarded.process.send_signal(number)
    guarded.die()

    assert child.wait(60) == -signal.SIGKILL


def _ignores(status: str, number: int) -> bool:
    line = next(line for line in Path(status).read_text().splitlines() if line.startswith("SigIgn:"))
    return bool(int(line.split()[1], 16) & 1 << (number - 1))


def test_it_imports_next_to_nothing(guarded) -> None:
    """It boots in some ten milliseconds and stays for the whole life of the stack."""
    modules = set(guarded.die().split())

    assert modules.isdisjoint({"asyncio", "json", "subprocess", "typing", "dataclasses", "re", "pathlib"})
