"""The real `infra` in a user's project, as a dialogue: say something, read the answer."""

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

from fakes.stacks import SERVER

INFRA = str(Path(sysconfig.get_path("scripts")) / "infra")
#: seconds; a test that waits longer has failed
PATIENCE = 120.0

#: three cheap services: `api` refers to `db`, and `worker` comes last
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
    """A stack file with exactly these services in use."""
    return f"use = {json.dumps(list(use))}\n{services}"


def service(name: str, *options: str, **fields: str) -> str:
    """A service of `server.py`; the fields are TOML."""
    words = json.dumps(["${bin.python}", "-I", "-S", SERVER, "${port.main}", *options])
    table = {"command": words, "ports": "{ main = 18440 }", **fields}
    lines = "\n".join(f"{key} = {value}" for key, value in table.items())
    return f"[services.{name}]\n{lines}\n"


class Answer:
    """What a finished `infra` said."""

    def __init__(self, code: int, out: str, err: str, seconds: float) -> None:
        self.code, self.out, self.err, self.seconds = code, out, err, seconds

    @property
    def json(self) -> Any:
        """Standard output as one document."""
        return json.loads(self.out)

    @property
    def json_lines(self) -> list[dict[str, Any]]:
        """Standard output as a document a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self) -> str:
        return f"<{self.code} in {self.seconds:.2f} s\n{self.out}\n--- stderr\n{self.err}>"


class Running:
    """An `infra` that goes on."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self._out, self._err = folder / "out", folder / "err"
        self._began = time.monotonic()

    @property
    def out(self) -> str:
        """What it has said so far."""
        return self._out.read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        """What it has said so far on standard error."""
        return self._err.read_text(encoding="utf-8")

    def says(self, text: str) -> None:
        """Wait until it has said this."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.out + self.err:
            assert self.process.poll() is None, f"ended without {text!r}: {self.answer()}"
            assert time.monotonic() < deadline, f"never said {text!r}: {self.out}"
            time.sleep(0.01)

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Ctrl-C, or another signal."""
        self.process.send_signal(number)

    def answer(self) -> Answer:
        """Wait for its end."""
        code = self.process.wait(PATIENCE)
        seconds = time.monotonic() - self._began
        return Answer(code, self.out, self.err, seconds)


class CommandLine:
    """Runs `infra` in a project's folder, away from the user's own environment."""

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
        """Put a file into the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def __call__(self, *arguments: str, environ: Mapping[str, str] | None = None, **options: Any) -> Answer:
        """Run to the end."""
        began = time.monotonic()
        done = subprocess.run(
            [INFRA, *arguments],
            cwd=self.root,
            env={**self.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            **options,
        )
        return Answer(done.returncode, done.stdout, done.stderr, time.monotonic() - began)

    def begin(self, *arguments: str, environ: Mapping[str, str] | None = None) -> Running:
        """Run without waiting for the end."""
        folder = self.root / f".said-{len(self._running)}"
        folder.mkdir()
        with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
            process = subprocess.Popen(
                [INFRA, *arguments],
                cwd=self.root,
                env={**self.environ, **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                text=True,
            )
        self._running.append(Running(process, folder))
        return self._running[-1]

    def in_terminal(self, *arguments: str, type_after: Mapping[str, str], **environ: str) -> tuple[int, str]:
        """Run in a terminal, and type each value when its key has appeared. Exit code and picture."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.root)
            os.execve(INFRA, [INFRA, *arguments], {**self.environ, "TERM": "xterm-256color", **environ})
        seen, waiting, deadline = "", dict(type_after), time.monotonic() + PATIENCE
        with contextlib.suppress(OSError):  # EIO is how a terminal says that nobody is left
            while time.monotonic() < deadline:
                if select.select([terminal], [], [], 0.1)[0]:
                    block = os.read(terminal, 65536)
                    if not block:
                        break
                    seen += block.decode(errors="replace")
                for text in [text for text in waiting if text in seen]:
                    os.write(terminal, waiting.pop(text).encode())
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen

    def end(self) -> None:
        """Leave nothing behind, whatever the test did."""
        for running in self._running:
            if running.process.poll() is None:
                running.process.kill()
                running.process.wait()
        self("runtime", "down")
        self("runtime", "down", "--env", "development")


#: what a machine may need for any stack at all
KEPT = frozenset({"INFRA_RUNTIME_DIR", "INFRA_CACHE", "INFRA_TEST_SUITE"})
