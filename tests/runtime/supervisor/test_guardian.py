"""The guardian as a real process, which exits some milliseconds after its supervisor."""

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
from infra_runtime.host import file_lock, processes
from infra_runtime.host.processes import TOKEN, started
from infra_runtime.supervisor.guardian_process import Guardian

pytestmark = pytest.mark.process
ROOT = Path(processes.__file__).parents[2]


class Guarded:
    """A guardian, the pipe that it reads, and programs that it kills."""

    def __init__(self, folder: Path) -> None:
        self.run = folder / "run"
        self.ports = folder / "ports"
        for path in (self.run, self.ports):
            path.mkdir(mode=0o700)
        self.token = uuid.uuid4().hex
        self.children: list[subprocess.Popen[bytes]] = []
        read_end, self.pipe = os.pipe()
        code = (
            f"import sys; sys.path.insert(0, {str(ROOT)!r}); import infra_runtime.supervisor.guardian as g; "
        )
        code += "g.main(int(sys.argv[1]), *sys.argv[2:]); print(*sorted(sys.modules))"
        command = [
            sys.executable,
            "-I",
            "-S",
            "-c",
            code,
            str(read_end),
            self.token,
            str(self.ports),
            str(self.run),
        ]
        self.process = subprocess.Popen(command, pass_fds=(read_end,), stdout=subprocess.PIPE, text=True)
        os.close(read_end)

    def child(self, *command: str, **options: object) -> subprocess.Popen[bytes]:
        """Start a program that keeps running."""
        child = subprocess.Popen(command or ("sleep", "600"), start_new_session=True, **options)
        self.children.append(child)
        return child

    def send(self, text: str) -> None:
        os.write(self.pipe, text.encode())

    def die(self) -> str:
        """Close the pipe as a killed supervisor does; return what the guardian printed before its exit."""
        os.close(self.pipe)
        self.pipe = -1
        output, _ = self.process.communicate(timeout=300)
        assert self.process.returncode == 0
        return output


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    guarded_process = Guarded(tmp_path)
    yield guarded_process
    if guarded_process.pipe != -1:
        os.close(guarded_process.pipe)
    for child in (*guarded_process.children, guarded_process.process):
        child.kill()
        child.wait()
    guarded_process.process.stdout.close()


def record(child: subprocess.Popen[bytes]) -> str:
    return f"+{child.pid} {started(child.pid)}\n"


def test_at_the_end_of_the_pipe_all_started_processes_are_killed(guarded) -> None:
    children = [guarded.child(), guarded.child()]
    for child in children:
        guarded.send(record(child))

    guarded.die()

    assert [child.wait(300) for child in children] == [-signal.SIGKILL] * 2


def test_a_process_with_the_token_is_killed_without_a_record(guarded) -> None:
    child = guarded.child(env={**os.environ, TOKEN: guarded.token})
    until(lambda: processes.has_token(child.pid, guarded.token))

    guarded.die()

    assert child.wait(300) == -signal.SIGKILL


def test_a_guardian_that_does_not_read_is_killed_and_does_not_block_the_supervisor(tmp_path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        pipe = Guardian("token", [lock.fileno()], str(tmp_path / "ports"), [])
        os.kill(pipe.pid, signal.SIGSTOP)

        for pid in range(100_000, 110_000):
            pipe.watch(pid, "17")

        assert os.waitstatus_to_exitcode(os.waitpid(pipe.pid, 0)[1]) == -signal.SIGKILL
        pipe.start()
        pipe.kill()


def test_a_process_whose_record_was_removed_is_not_killed(guarded) -> None:
    child = guarded.child()
    guarded.send(record(child) + f"-{child.pid}\n")

    guarded.die()

    assert child.poll() is None


def test_a_reused_pid_is_not_killed(guarded) -> None:
    foreign = guarded.child()
    guarded.send(f"+{foreign.pid} 17\n")

    guarded.die()

    assert foreign.poll() is None


def test_an_incomplete_record_is_ignored(guarded) -> None:
    child, other = guarded.child(), guarded.child()
    guarded.send(record(child) + record(other).rstrip("\n"))

    guarded.die()

    assert child.wait(300) == -signal.SIGKILL
    assert other.poll() is None


def test_records_that_come_in_pieces_are_put_together(guarded) -> None:
    child = guarded.child()
    for letter in record(child):
        guarded.send(letter)

    guarded.die()

    assert child.wait(300) == -signal.SIGKILL


def test_the_folder_of_the_sockets_is_removed_with_its_content(guarded, tmp_path) -> None:
    (guarded.run / "postgres").mkdir()
    (guarded.run / "postgres" / ".s.PGSQL.5432").touch()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "data").touch()
    (guarded.run / "link").symlink_to(tmp_path / "precious")

    guarded.die()

    assert not guarded.run.exists()
    assert (tmp_path / "precious" / "data").exists()


def test_the_lock_files_of_ports_that_no_process_holds_are_removed(guarded) -> None:
    free, held = guarded.ports / "20001", guarded.ports / "20002"
    free.touch()
    descriptor = file_lock.acquire(str(held))

    guarded.die()

    assert not free.exists()
    assert held.exists()
    file_lock.release(descriptor)


def test_a_missing_folder_is_not_an_error(guarded) -> None:
    guarded.run.rmdir()

    guarded.die()


def test_a_link_in_place_of_the_folder_is_removed_and_its_target_stays(guarded, tmp_path) -> None:
    guarded.run.rename(tmp_path / "precious")
    (tmp_path / "precious" / "data").touch()
    guarded.run.symlink_to(tmp_path / "precious")

    guarded.die()

    assert not guarded.run.is_symlink()
    assert (tmp_path / "precious" / "data").exists()


def test_the_process_name_of_the_guardian_is_not_python(guarded) -> None:
    name = Path(f"/proc/{guarded.process.pid}/comm")
    if not name.exists():
        pytest.skip("without /proc the guardian cannot set its name")

    until(lambda: name.read_text() == "infra-guardian\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_signals_except_sigkill_do_not_stop_the_guardian(guarded, number) -> None:
    child = guarded.child()
    guarded.send(record(child))
    ignored = f"/proc/{guarded.process.pid}/status"
    if not Path(ignored).exists():
        pytest.skip("without /proc the test cannot see when the guardian ignores the signals")
    until(lambda: _ignores(ignored, number))

    guarded.process.send_signal(number)
    guarded.die()

    assert child.wait(300) == -signal.SIGKILL


def _ignores(status: str, number: int) -> bool:
    line = next(line for line in Path(status).read_text().splitlines() if line.startswith("SigIgn:"))
    return bool(int(line.split()[1], 16) & 1 << (number - 1))


def test_the_guardian_imports_few_modules(guarded) -> None:
    """It boots in tens of milliseconds, and uses its memory as long as the stack runs."""
    modules = set(guarded.die().split())

    assert modules.isdisjoint({"asyncio", "json", "subprocess", "typing", "dataclasses", "re", "pathlib"})
