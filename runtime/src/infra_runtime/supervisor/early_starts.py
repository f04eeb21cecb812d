"""Services that start while the supervisor imports asyncio and most of its modules.

In tests, the client sends its plan with its first request to a new supervisor. The supervisor starts services
that need no other service. If the preparation of a service takes long, because it copies a seed or runs a
command, the supervisor forks a process that prepares the service and then executes the command of the
service. If an early start fails, the supervisor later prepares and starts the service as usual.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Mapping, Sequence
from functools import partial
from threading import Thread

from infra_runtime.data_directory import seed_copy
from infra_runtime.data_directory.journal import Journal
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import SupervisorError
from infra_runtime.host import file_lock, privileges, processes, requirements
from infra_runtime.host.fork import fork
from infra_runtime.host.ports import PortError, Ports
from infra_runtime.message import decode
from infra_runtime.messages import Hello, Up
from infra_runtime.record import Record
from infra_runtime.spec import Run, Seed, ServiceSpec, substitute
from infra_runtime.supervisor import early_choice
from infra_runtime.supervisor.binding import BindingError, Bound, Scope, bind_process, make_scope, resolver
from infra_runtime.supervisor.guardian_process import Guardian
from infra_runtime.supervisor.spawn import environment_of, spawn
from infra_runtime.supervisor.steps import StepError, run_step

#: the byte that the process writes before it executes the command, and the byte that it writes if this fails
EXECUTES, FAILED = b"+", b"-"
#: seconds to wait for the client's copy of a seed; a paused client does not continue the copy
COPY_SECONDS = 5.0


class EarlyStart(Record):
    """An early start: a service with its process, which executes the command of the service.

    The process, or before its start the supervisor, prepares the service.
    """

    #: the service with its ports; `bind` has not been called for it in this process
    bound: Bound
    scope: Scope
    #: the path of the service's log, and its size before the start
    log: str
    log_size: int
    pid: int
    #: the start time of the process
    started: str
    #: the descriptor of a pipe from which `EXECUTES` can be read when the preparation is complete; the pipe
    #: closes when the command is executed. None: the preparation was complete before the process started
    progress: int | None


class Stage(Record):
    """The objects of a supervisor that all its early starts use."""

    paths: Paths
    environment: str
    token: str
    guardian: Guardian
    journal: Journal
    ports: Ports
    #: the folder to which the client copies seeds; empty without such a folder
    copies: str
    #: the thread that moves this process to the control group; processes that start later inherit the group
    entering: Thread


def start(line: bytes, stage: Stage) -> dict[str, EarlyStart]:
    """Start the services of a client's plan that can start early; return a mapping from name to `EarlyStart`.

    `line` is the client's request `hello`. A service whose early start fails is not in the mapping.
    """
    try:
        hello = decode(Hello, json.loads(line)["params"])
        if hello.starting is None:
            return {}
        request = decode(Up, hello.starting)
        ports = sum(len(spec.ports) for spec in request.services)
        requirements.check_files(len(request.services), ports)
    except (SupervisorError, KeyError, TypeError, ValueError):
        return {}  # the supervisor later answers the client's request with an error
    scope = make_scope(request, stage.paths, stage.environment, stage.token)
    starts: dict[str, EarlyStart] = {}
    for spec, seeds in early_choice.chosen(request, stage.paths.seeds()):
        with contextlib.suppress(OSError, ValueError, PortError, StepError, BindingError):
            starts[spec.name] = _start(spec, scope, seeds, stage)
    return starts


def _enters_namespace(spec: ServiceSpec) -> bool:
    """Return whether the process of a service enters a user namespace before the preparation.

    If the kernel refuses this, the early start fails, and the usual preparation changes the owner of the
    folders instead. A check in advance would take 6 ms.
    """
    return spec.refuses_root and os.geteuid() == 0


def _start(spec: ServiceSpec, scope: Scope, seeds: Sequence[str], stage: Stage) -> EarlyStart:
    """Start a service early. Raises `OSError`, `ValueError`, `PortError`, `StepError` or `BindingError`."""
    name, paths = spec.name, stage.paths
    ports = stage.ports.take_all(name, spec.ports, spec.ports_may_vary)
    bound = Bound(spec, paths.service_data(name), paths.service_run(name), ports)
    log = f"{paths.logs}/{name}.log"
    size = os.stat(log).st_size if os.path.exists(log) else 0
    variables = environment_of(stage.environment, name, stage.token)
    stage.entering.join()
    preparation = Preparation(bound, scope, seeds, stage.copies, variables, log)
    progress = None
    try:
        if all(early_choice.preparation(spec)) and not _enters_namespace(spec):
            pid, started = _spawn(preparation, stage)
        else:
            pid, started, progress = _fork(preparation, stage)
    except BaseException:
        stage.ports.give_back(name)
        raise
    return EarlyStart(bound, scope, log, size, pid, started, progress)


def _spawn(preparation: Preparation, stage: Stage) -> tuple[int, str]:
    """Prepare a service, and execute its command in a new process; return the pid and start time."""
    import subprocess  # imported here: the import takes 4 ms, and services that are forked start before it

    bound = preparation.bound
    preparation.prepare()
    bind_process(bound, preparation.scope, {})
    try:
        child = spawn(
            bound.command,
            env={**preparation.variables, **bound.env},
            cwd=bound.cwd,
            log=preparation.log,
            refuses_root=False,
        )
    except subprocess.SubprocessError as error:
        raise StepError(bound.command[0]) from error
    child.returncode = 0  # Popen must not wait for the process: the supervisor reads its exit status
    started = processes.started(child.pid)
    _record(bound, child.pid, started, stage)
    return child.pid, started


def _fork(preparation: Preparation, stage: Stage) -> tuple[int, str, int]:
    """Fork the process of a service; the process waits until the guardian and the journal have its pid.

    Return the pid, the start time, and the descriptor from which the progress can be read.
    """
    begin, recorded = os.pipe()
    progress, report = os.pipe()
    with contextlib.ExitStack() as opened:
        for descriptor in (begin, recorded, progress, report):
            opened.callback(os.close, descriptor)
        pid = fork(partial(preparation.run, begin, report), (begin, report))
        started = processes.started(pid)
        _record(preparation.bound, pid, started, stage)
        os.write(recorded, b"+")
        return pid, started, os.dup(progress)


def _record(bound: Bound, pid: int, started: str, stage: Stage) -> None:
    stage.guardian.watch(pid, started)
    stage.journal.write("early-start", bound.spec.name, pid=pid, started=started)


class Preparation(Record):
    """The preparation of a service that starts early.

    It runs in the supervisor, or in a new process that then executes the command of the service.
    """

    bound: Bound
    scope: Scope
    #: the folders of the seeds, in the order of the steps
    seeds: Sequence[str]
    #: the folder to which the client copies seeds; empty without such a folder
    copies: str
    #: the environment variables that the supervisor sets for the service, without the variables in the spec
    variables: Mapping[str, str]
    log: str

    def run(self, begin: int, report: int) -> int:
        """Prepare the service and execute its command.

        If this fails, return the exit status for this process. The preparation begins when a byte can be read
        from the descriptor `begin`; the progress is written to the descriptor `report`.
        """
        os.setsid()
        if not os.read(begin, 1):
            return 1  # the supervisor was killed before the guardian got the pid of this process
        output = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for stream in (1, 2):
            os.dup2(output, stream)
        try:
            if _enters_namespace(self.bound.spec):
                privileges.enter_user_namespace()
            self.prepare()
            bind_process(self.bound, self.scope, {})
            # If the supervisor has exited, this write fails, and the command is not executed.
            os.write(report, EXECUTES)
        except (OSError, StepError, BindingError, ValueError):
            return 1  # the supervisor prepares the service again, and reports the error
        try:
            self._execute(self.bound.command, self.bound.env, self.bound.cwd)
        except (OSError, ValueError):
            os.write(report, FAILED)
        return 1

    def prepare(self) -> None:
        """Run the steps of the preparation. Raises `StepError`, `BindingError`, `OSError` or `ValueError`."""
        bound = self.bound
        for folder in (bound.data, bound.run):
            os.makedirs(folder, mode=0o700, exist_ok=True)
        lookup, seeds = resolver(bound, self.scope, {}), iter(self.seeds)
        for step in bound.spec.prepare:
            if isinstance(step, Seed):
                self._fill(next(seeds))
            elif isinstance(step, Run):
                command = tuple(substitute(text, lookup) for text in step.command)
                env = {name: substitute(text, lookup) for name, text in step.env.items()}
                pid = fork(partial(self._execute, command, env, bound.data), ())
                if os.waitpid(pid, 0)[1] != 0:
                    raise StepError(command[0])
            else:
                run_step(step, lookup)

    def _fill(self, tree: str) -> None:
        """Move the client's copy of a seed to the data folder, or copy the seed if the client has no copy.

        Raises `StepError` if the copy fails. If the client does not complete its copy in `COPY_SECONDS`,
        SIGALRM ends this process, and the early start fails.
        """
        copy = f"{self.copies}/{os.path.basename(tree)}"
        with contextlib.suppress(OSError):  # the copy is missing, or another service has taken it
            signal.setitimer(signal.ITIMER_REAL, COPY_SECONDS)
            try:
                # The client holds this lock until its copy is complete.
                lock = file_lock.acquire(f"{copy}.lock", create=False, wait=True) if self.copies else None
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            if lock is not None:
                os.close(lock)
                os.rename(copy, self.bound.data)
                return
        if problem := seed_copy.copy(tree, self.bound.data):
            raise StepError(problem)

    def _execute(self, command: Sequence[str], env: Mapping[str, str], cwd: str) -> int:
        """Replace this process by a program. Raises `OSError` if the program cannot be executed."""
        # Python ignores these signals, and a program inherits which signals are ignored.
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(cwd)
        os.execvpe(command[0], list(command), {**self.variables, **env})  # noqa: S606 - runs without a shell
