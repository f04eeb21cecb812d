"""Start one service of an exported stack: `python -m infra_runtime.engines.machine.launcher …`.

The launcher prepares the data of the service and replaces its references, with the code of the supervisor.
The first argument determines the further actions:

- `exec` (for systemd): the launcher replaces its process by the program of the service.
- `run` (for programs that read a Procfile): the launcher first waits for the needed services. It runs the
  program as a child process, and stops it with the stop steps of the service.
- `wait`: the launcher prepares nothing, and exits when the service is ready.

This module imports the standard library and pytest-infra only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.machine.document import Document, read
from infra_runtime.host import disk, file_lock, ownership, privileges, processes
from infra_runtime.host.ports import LOOPBACK
from infra_runtime.spec import bound_copy
from infra_runtime.supervisor.binding import BindingError, Bound, Scope, bind, resolver
from infra_runtime.supervisor.prepare import prepare
from infra_runtime.supervisor.probes import ask, interval
from infra_runtime.supervisor.steps import StepError

#: the exit status if the service cannot be prepared or does not become ready
FAILED = 1


class NotReadyError(Exception):
    """The error that a service did not become ready, with the reason of the last attempt of its probe."""


class Launcher:
    """The launcher of one service of a document; `paths` are the paths in the stack's data directory."""

    def __init__(self, stack: Document, service: str, paths: Paths) -> None:
        self.paths = paths
        self.bound = {
            name: Bound(spec, paths.service_data(name), paths.service_run(name), spec.ports)
            for name, spec in stack.services.items()
        }
        self.own = self.bound[service]
        self.spec = self.own.spec
        # Source: systemd.exec(5): INVOCATION_ID has a new value at each start of a unit.
        run = os.environ.get("INVOCATION_ID") or os.urandom(16).hex()
        variables = dict(os.environ)
        self.scope = Scope(stack.root, stack.environment, stack.binaries, variables, run, inherited=variables)
        self.env = {**os.environ, "INFRA_ENV": stack.environment, "INFRA_SERVICE": service}

    async def prepare(self) -> None:
        """Prepare the data of the service, and replace the references of its spec by values."""
        await prepare(self.own, self.scope, self.bound, self.paths.seeds(), self.step)
        bind(self.own, self.scope, self.bound)

    async def ready(self, program: int = 0) -> None:
        """Wait until the service is ready.

        Raises `NotReadyError` after `start_timeout`, or if the process with the pid `program` has exited.
        """
        start_time = time.monotonic()
        while reason := await self.reason():
            waited = time.monotonic() - start_time
            if program and processes.look(program) is None:
                raise NotReadyError(f"the program has exited; the last attempt of the probe: {reason}")
            if waited > self.spec.start_timeout:
                raise NotReadyError(f"not ready after {self.spec.start_timeout:g} s: {reason}")
            await asyncio.sleep(interval(waited))

    async def reason(self) -> str | None:
        """Return the reason why the service is not ready; None if it is ready."""
        if self.spec.ready is None:
            return None
        try:
            probe = bound_copy(self.spec.ready, resolver(self.own, self.scope, self.bound))
        except BindingError as error:
            return str(error)  # the service is not prepared yet: a secret is missing
        return await ask(probe, LOOPBACK, self.own.ports, self.step, self.own.run)

    def ready_lock(self, service: str) -> str:
        """Return the path of the file that a launcher locks while its service is ready, or complete.

        Other launchers check this lock instead of running the probe, because the probe of PostgreSQL sets a
        password, which two processes cannot do at the same time.
        """
        return f"{self.paths.data}/{service}.ready"

    def hold_ready_lock(self) -> None:
        """Lock the file that other launchers check; the lock is released when this process exits."""
        # Waits while another launcher checks it.
        file_lock.acquire(self.ready_lock(self.spec.name), wait=True)

    async def step(self, command: tuple[str, ...], env: Mapping[str, str]) -> int:
        """Run a command of the preparation or of a probe to its end; return the exit status."""
        process = await asyncio.create_subprocess_exec(
            *command, env={**self.env, **env}, cwd=self.own.data, preexec_fn=self.without_root()
        )
        try:
            return await process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    def without_root(self) -> Callable[[], None] | None:
        """Return a function that a child process calls so that it does not run as root.

        The result is None if the program may run as root.
        """
        refuses_root = self.spec.refuses_root and os.geteuid() == 0
        return privileges.enter_user_namespace if refuses_root else None

    def become(self) -> None:
        """Replace this process by the program of the service."""
        os.chdir(self.own.cwd)
        os.execve(self.own.command[0], self.own.command, {**self.env, **self.own.env})  # noqa: S606 - no shell

    async def run(self) -> int:
        """Run the program of the service until it exits; return its exit status.

        After SIGTERM or SIGINT, the program is stopped with the stop steps of the service. After a task has
        exited with 0, this process waits for a signal, because programs that read a Procfile stop all
        processes when one process exits.
        """
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        stop = asyncio.ensure_future(stopping.wait())
        try:
            if not await _first(asyncio.ensure_future(self.start()), stop):
                return 0
            # The program is in the process group of this process, to which honcho sends SIGKILL.
            process = await asyncio.create_subprocess_exec(
                *self.own.command,
                env={**self.env, **self.own.env},
                cwd=self.own.cwd,
                preexec_fn=self.without_root(),
            )
            exited = asyncio.ensure_future(process.wait())
            return await self.supervise(process, exited, stop)
        finally:
            stop.cancel()
            self.remove_sockets()

    def remove_sockets(self) -> None:
        """Remove the folder with the sockets of the service, and the stack's folder if it is then empty."""
        with contextlib.suppress(OSError):
            disk.remove(self.own.run)
            Path(self.paths.run).rmdir()

    async def supervise(
        self,
        process: asyncio.subprocess.Process,
        exited: asyncio.Future[int],
        stop: asyncio.Future[Literal[True]],
    ) -> int:
        """Wait until the program exits; return its exit status, or 0 after a signal to stop.

        Stop the program after this signal, or if it does not become ready in time.
        """
        ready = asyncio.ensure_future(asyncio.sleep(0) if self.spec.task else self.ready())
        exit_or_stop: set[asyncio.Future[Any]] = {exited, stop}
        try:
            await asyncio.wait({*exit_or_stop, ready}, return_when=asyncio.FIRST_COMPLETED)
            if not self.spec.task and ready.done():
                ready.result()
                self.hold_ready_lock()
                print(f"{self.spec.name} is ready", flush=True)
            await asyncio.wait(exit_or_stop, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            if not exited.done():
                await self.stop(process, exited)
        if self.spec.task and exited.result() == 0 and not stop.done():
            self.hold_ready_lock()
            await stop
        return 0 if stop.done() else exited.result()

    async def start(self) -> None:
        """Wait for the needed services, and prepare the service.

        The wait has no time limit: if a needed service fails, its launcher exits, and the process manager
        then stops all processes.
        """
        start_time = time.monotonic()
        for need in self.spec.all_needs():
            while not file_lock.is_held(self.ready_lock(need)):  # noqa: ASYNC110 - of another process
                await asyncio.sleep(interval(time.monotonic() - start_time))
        await self.prepare()

    async def stop(self, process: asyncio.subprocess.Process, exited: asyncio.Future[int]) -> None:
        """Send the signal of each stop step to the program, and then SIGKILL, until the program exits."""
        for step in self.spec.stop:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(step.signal)
            if (await asyncio.wait({exited}, timeout=step.seconds))[0]:
                return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await exited


async def _first(task: asyncio.Future[None], stop: asyncio.Future[Any]) -> bool:
    """Wait for a task; return false, and cancel the task, if the signal to stop arrives first."""
    task_or_stop: set[asyncio.Future[Any]] = {task, stop}
    await asyncio.wait(task_or_stop, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        return False
    task.result()
    return True


def main(arguments: Sequence[str]) -> int:
    """Run the launcher with command-line arguments; return the exit status."""
    parser = argparse.ArgumentParser(prog="launcher", description="Start one service of an exported stack.")
    parser.add_argument("action", choices=("exec", "run", "wait"))
    parser.add_argument("file", help="the JSON document of the stack")
    parser.add_argument("service")
    parser.add_argument("--data", required=True, help="the folder in which the services store their data")
    options = parser.parse_args(arguments)
    stack = read(Path(options.file).read_text(encoding="utf-8"))
    if options.service not in stack.services:
        services = ", ".join(stack.services)
        parser.error(f"{options.file} contains no service {options.service!r}; its services are: {services}")
    paths = Paths(_folders_of_systemd(options.data))
    try:
        ownership.make_private_folder(paths.home, shared=True)
        Path(paths.data).mkdir(mode=0o700, parents=True, exist_ok=True)
        launcher = Launcher(stack, options.service, paths)
        if options.action == "wait":
            # systemd.service(5): a command ExecStartPost= has the pid of the unit's program.
            asyncio.run(launcher.ready(int(os.environ.get("MAINPID", "0"))))
        elif options.action == "run":
            return asyncio.run(launcher.run())
        else:
            asyncio.run(launcher.prepare())
            launcher.become()
    except (BindingError, NotReadyError, StepError) as error:
        print(f"{options.service}: {error}", file=sys.stderr)
        return FAILED
    except OSError as error:
        print(f"{options.service}: {error.filename or 'start'}: {error.strerror or error}", file=sys.stderr)
        return FAILED
    return 0


def _folders_of_systemd(data: str) -> str:
    """Set `INFRA_…` variables to the folders that systemd created for a unit; return the path of the data.

    The result is the real path of `data` if systemd has created a folder for data, otherwise `data`.

    For a unit with a dynamic user, systemd creates /run/NAME, /var/lib/NAME and /var/cache/NAME as links to
    folders of this user. The real paths are used, because pytest-infra refuses links, which another user
    could have created. Source: systemd.exec(5), "RuntimeDirectory=, StateDirectory=, …".
    """
    for name, folder in (("INFRA_RUNTIME_DIR", "RUNTIME_DIRECTORY"), ("INFRA_CACHE", "CACHE_DIRECTORY")):
        if path := os.environ.get(folder):
            os.environ[name] = os.path.realpath(path)
    return os.path.realpath(data) if "STATE_DIRECTORY" in os.environ else data


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
