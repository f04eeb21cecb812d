"""Run the command `infra` in a project of a user, and read the output.

The commands run in forks of the test's process. `CommandLine.process` and `in_new_process=True` start the
installed program.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sysconfig
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fakes import forked
from fakes.stacks import SERVER
from infra_runtime.data_directory import journal
from infra_runtime.data_directory.paths import Paths

INFRA = str(Path(sysconfig.get_path("scripts")) / "infra")
#: the time limit in seconds; a test that waits longer fails
PATIENCE = 300.0

#: three small services: `api` refers to `db`, and `worker` needs `api`
SHOP = f"""
[services.db]
command = ["${{bin.python}}", "-I", "-S", "{SERVER}", "${{port.main}}"]
summary = "keeps everything"
ports = {{ main = 18431 }}
exports = {{ url = "db://${{host}}:${{port.main}}" }}

[services.api]
command = ["${{bin.python}}", "-I", "-S", "{SERVER}", "${{port.http}}"]
ports = {{ http = 18432 }}
env = {{ DATABASE_URL = "${{db.url}}", GREETING = "good morning" }}

[services.worker]
command = ["${{bin.python}}", "-I", "-S", "-c", "import time; print('at work', flush=True); time.sleep(600)"]
needs = ["api"]
"""


def stack_file(services: str, use: Sequence[str]) -> str:
    """Return a stack file in which exactly these services are in use."""
    return f"use = {json.dumps(list(use))}\n{services}"


def service(name: str, *options: str, **fields: str) -> str:
    """Return the table of a service that runs `server.py`; the fields are TOML.

    On a busy machine, the restarts of a service that exits need more than the default time limit.
    """
    words = json.dumps(["${bin.python}", "-I", "-S", SERVER, "${port.main}", *options])
    table = {"command": words, "ports": "{ main = 18440 }", "start_timeout": "300", **fields}
    lines = "\n".join(f"{key} = {value}" for key, value in table.items())
    return f"[services.{name}]\n{lines}\n"


class Answer:
    """Exit code and output of an `infra` process that has exited."""

    def __init__(self, code: int, out: str, err: str, seconds: float) -> None:
        self.code, self.out, self.err, self.seconds = code, out, err, seconds

    @property
    def json(self) -> Any:
        """The standard output, parsed as one JSON document."""
        return json.loads(self.out)

    @property
    def json_lines(self) -> list[dict[str, Any]]:
        """The standard output, parsed as one JSON document per line."""
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self) -> str:
        return f"<{self.code} in {self.seconds:.2f} s\n{self.out}\n--- stderr\n{self.err}>"


class Running:
    """A running `infra` process."""

    def __init__(self, process: subprocess.Popen[str] | forked.Running, folder: Path) -> None:
        self.process = process
        self._out, self._err = folder / "out", folder / "err"
        self._began = time.monotonic()

    @property
    def out(self) -> str:
        """The standard output that the process has written until now."""
        return self._out.read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        """The standard error that the process has written until now."""
        return self._err.read_text(encoding="utf-8")

    def wait_for(self, text: str) -> None:
        """Wait until the output of the process contains the text."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.out + self.err:
            assert self.process.poll() is None, f"exited without {text!r}: {self.answer()}"
            assert time.monotonic() < deadline, f"did not print {text!r}: {self.out}"
            time.sleep(0.01)

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Send SIGINT, or another signal, to the process."""
        self.process.send_signal(number)

    def answer(self) -> Answer:
        """Wait until the process exits, and return its exit code and output."""
        code = self.process.wait(PATIENCE)
        seconds = time.monotonic() - self._began
        return Answer(code, self.out, self.err, seconds)


class CommandLine:
    """Functions that run `infra` in a project's folder, without the variables `INFRA_…` of the user."""

    def __init__(self, root: Path, **environ: str) -> None:
        self.root = root
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("INFRA_")},
            **{name: value for name, value in os.environ.items() if name in KEPT},
            "INFRA_ENV": "test",
            **environ,
        }
        self._running: list[Running] = []
        root.mkdir(parents=True, exist_ok=True)

    @property
    def data(self) -> Path:
        """The data directory of the environment `test`."""
        return self.root / ".data-test"

    def write(self, text: str, name: str = "infra.toml") -> Path:
        """Write a file of the project and return its path."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def __call__(self, *arguments: str, environ: Mapping[str, str] | None = None) -> Answer:
        """Run `infra` until it exits."""
        variables = {**self.environ, **(environ or {})}
        result = forked.run(forked.infra_program(arguments), self.root, PATIENCE, environ=variables)
        return Answer(result.code, result.out, result.err, result.seconds)

    def process(self, *arguments: str, environ: Mapping[str, str] | None = None) -> Answer:
        """Run `infra` in a new process until it exits."""
        start_time = time.monotonic()
        result = subprocess.run(
            [INFRA, *arguments],
            cwd=self.root,
            env={**self.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Answer(result.returncode, result.stdout, result.stderr, time.monotonic() - start_time)

    def start(
        self, *arguments: str, environ: Mapping[str, str] | None = None, in_new_process: bool = False
    ) -> Running:
        """Start `infra` without waiting for its exit, in a fork or as the installed program."""
        folder = self.root / f".output-{len(self._running)}"
        folder.mkdir()
        variables = {**self.environ, **(environ or {})}
        with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
            process: subprocess.Popen[str] | forked.Running
            if in_new_process:
                process = subprocess.Popen(
                    [INFRA, *arguments], cwd=self.root, env=variables,
                    stdin=subprocess.DEVNULL, stdout=out, stderr=err, text=True,
                )  # fmt: skip
            else:
                program = forked.console_script(arguments)
                with Path(os.devnull).open("rb") as null:
                    process = forked.Running(program, self.root, (null, out, err), variables)
        self._running.append(Running(process, folder))
        return self._running[-1]

    def in_terminal(self, *arguments: str, type_after: Mapping[str, str], **environ: str) -> tuple[int, str]:
        """Run a fork in a terminal, and type each value after its key was printed.

        Return the exit code and the output.
        """
        forked.import_all()
        pid, terminal = pty.fork()
        if pid == 0:
            variables = {**self.environ, "TERM": "xterm-256color", **environ}
            forked.become(forked.console_script(arguments), self.root, variables)
        screen, waiting, deadline = "", dict(type_after), time.monotonic() + PATIENCE
        try:
            with contextlib.suppress(OSError):  # reading a terminal that no process has open fails with EIO
                while block := self._read(terminal, deadline):
                    screen += block.decode(errors="replace")
                    for text in [text for text in waiting if text in screen]:
                        os.write(terminal, waiting.pop(text).encode())
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        finally:
            os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), screen

    @staticmethod
    def _read(terminal: int, deadline: float) -> bytes:
        seconds = max(0.0, deadline - time.monotonic())
        assert select.select([terminal], [], [], seconds)[0], "the terminal printed nothing in time"
        return os.read(terminal, 65536)

    def end(self, *folders: str) -> None:
        """Kill the processes that the test has started, and stop its stacks, also those in these folders."""
        for running in self._running:
            if running.process.poll() is None:
                running.process.kill()
                running.process.wait()
        for folder in (".data-test", ".data", self.environ.get("INFRA_DATA", ""), *folders):
            if folder and self._has_stack(folder):
                self("runtime", "down", "--data", folder)

    def _has_stack(self, folder: str) -> bool:
        """Return whether a stack was started in a data directory that has not stopped since."""
        paths = Paths(str(self.root / folder))
        if not Path(paths.control_file).exists():
            return False
        return [event.event for event in journal.read(paths.journal)][-1:] != ["down"]


#: environment variables of the machine that every stack needs
KEPT = frozenset({"INFRA_RUNTIME_DIR", "INFRA_CACHE", "INFRA_BINARIES", "INFRA_TEST_SUITE"})
