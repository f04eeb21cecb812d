"""The steps of `infra runtime up`: start a stack, print its events, and stop it or detach from it."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from pathlib import Path

from infra_cli import output
from infra_cli.file_watcher import Watcher, globs_of, require_watchfiles
from infra_cli.interrupts import Interrupts
from infra_cli.target import Target
from infra_cli.up_report import Report, make_report
from infra_runtime.config.resolve import Resolved
from infra_runtime.data_directory import journal, remains
from infra_runtime.data_directory.leak_check import LeakCheck, check_leaks
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import failure, raise_failures
from infra_runtime.engines.local.engine import LocalEngine
from infra_runtime.errors import ConfigurationError, InfraError, LeftoverError, SupervisorError
from infra_runtime.host import processes
from infra_runtime.messages import Event
from infra_runtime.plan import Plan
from infra_runtime.value import frozen

#: The maximum number of seconds that the guardian needs. The guardian is the process that stops the services
#: after a crash of the supervisor.
GUARDIAN_TIMEOUT = 5.0
EMPTY_STACK_HINT = (
    "Give a service as argument, skip fewer services, or add services to `use` in the stack file."
)


@frozen
class UpOptions:
    """The arguments of `infra runtime up`."""

    names: tuple[str, ...] = ()
    profile: str | None = None
    skip: tuple[str, ...] = ()
    detach: bool = False
    wait: bool = True
    watch: bool = False


def run(target: Target, options: UpOptions, *, as_json: bool) -> int:
    """Start a stack, wait until it is stopped or detach from it, and return the exit code."""
    if options.watch:
        require_watchfiles()
    start_time = time.perf_counter()
    stack: ReportedStack | None = None
    with Interrupts() as interrupts:
        try:
            with interrupts.deferred():
                resolved = target.resolve(*options.names, profile=options.profile, skip=options.skip)
                names = [spec.name for spec in resolved.plan.services]
                if not names:
                    raise ConfigurationError(
                        "no service is selected, so no service can be started", hint=EMPTY_STACK_HINT
                    )
                for remark in resolved.remarks:
                    output.note(remark)
                stack = ReportedStack(resolved, make_report(names, as_json=as_json))
            stack.start(resolved, options, start_time)
            interrupts.check()
            if not options.detach:
                return stack.wait_for_end(resolved.plan if options.watch else None)
            stack.detach()
        except KeyboardInterrupt:
            if stack is not None:
                if not stack.shared:
                    output.note("stopping the stack; press Ctrl-C again to kill all processes immediately")
                stack.finish()
            return interrupts.exit_code
        except InfraError:
            if stack is not None:
                stack.finish()
            raise
    return 0


class ReportedStack:
    """A lease on a stack (an open connection to its supervisor) that prints the events of the stack."""

    def __init__(self, resolved: Resolved, report: Report) -> None:
        self._paths = Paths(str(resolved.data))
        self._report = report
        self._stack = LocalEngine().open(resolved, starting=True)
        self._has_ended = False
        #: whether, after the start, another client had a lease or the stack was detached: the stack then
        #: keeps running after the end of this lease
        self.shared = False
        self._supervisor = processes.look(self._stack.status().pid)

    def start(self, resolved: Resolved, options: UpOptions, start_time: float) -> None:
        """Start the services of a resolved stack, and print their events and addresses.

        Raises the first failure of a service. With `watch`, no failure is raised, because a change of a file
        can fix the failure.
        """
        with self._report.starting(self._paths) as listener:
            outcome = self._stack.up(resolved, on_event=listener, wait=options.wait)
        status = self._stack.status()
        self.shared = status.stay or status.leases > 1
        ends = bool(outcome.failures) and not options.watch
        how_to_stop = "" if ends else self._how_to_stop(options)
        self._report.ready(outcome, time.perf_counter() - start_time, how_to_stop=how_to_stop)
        if not options.watch:
            raise_failures(outcome.failures)
        for failed in outcome.failures:
            output.print_error(failure(failed))

    def _how_to_stop(self, options: UpOptions) -> str:
        if options.detach:
            return "`infra runtime down` stops it"
        if self.shared:
            return "the stack keeps running after Ctrl-C, `infra runtime down` stops it"
        return "Ctrl-C stops it"

    def detach(self) -> None:
        """End the lease, but keep the stack running until `infra runtime down`."""
        self._stack.stay()
        self._stack.close()

    def wait_for_end(self, watched: Plan | None) -> int:
        """Print events until another process stops the stack, and return the exit code.

        If `watched` is a plan, services of this plan are restarted when their files change.

        Raises `SupervisorError` if the supervisor exited without stopping the stack, and `LeftoverError` if
        something is left of the stack.
        """
        watcher = Watcher(self._paths, Path(watched.root), globs_of(watched)) if watched else None
        received_down = False
        if watcher:
            watcher.start()
        try:
            for event in self._stack.events():
                self._report.event(event)
                received_down |= event.event == "down"
        finally:
            if watcher:
                watcher.stop()
        self._has_ended = True
        self._check_leaks()
        # After `infra runtime down --wipe`, the journal is missing; the received event then shows that the
        # stack was stopped.
        if not received_down and not _ended(journal.recent(self._paths.journal)):
            problem = "the supervisor exited unexpectedly, and the guardian stopped the services"
            raise SupervisorError(problem, self._paths.own_log)
        output.note("the stack was stopped by another process")
        return 0

    def finish(self) -> None:
        """End the lease. If the stack then stops, wait for its end, and print the leak check.

        The stack keeps running if another client has a lease or the stack is detached. The leak check lists
        the processes, ports and sockets that are left; `LeftoverError` is raised if something is left.
        Ctrl-C during the wait kills the supervisor and the processes of the stack.
        """
        if self._has_ended:
            return
        try:
            leak_check = self._stack.finish()
        except KeyboardInterrupt:
            if self._supervisor:
                processes.send(self._supervisor, signal.SIGKILL)
                # The guardian may have been killed together with the supervisor.
                remains.end_unsupervised(self._paths)
            self._check_leaks()
        except SupervisorError:
            if self._supervisor and processes.started(self._supervisor.pid) == self._supervisor.started:
                raise  # the supervisor is running, but does not answer
            self._check_leaks()
        else:
            if leak_check is None:
                output.note(
                    "the stack keeps running, because another client has a lease or because the stack is "
                    "detached"
                )
            else:
                self._report_leaks(leak_check)

    def _check_leaks(self) -> None:
        """Print which processes, ports and sockets of the stopped stack are left.

        If the supervisor was killed, the function first waits until the guardian has stopped the services, at
        most `GUARDIAN_TIMEOUT` seconds. Raises `LeftoverError` if something is left.
        """
        deadline = time.monotonic() + GUARDIAN_TIMEOUT
        while not (leak_check := check_leaks(self._paths)).clean and time.monotonic() < deadline:
            time.sleep(0.01)
        self._report_leaks(leak_check)

    def _report_leaks(self, leak_check: LeakCheck) -> None:
        self._report.proof(leak_check)
        if not leak_check.clean:
            raise LeftoverError(list(leak_check.left))


def _ended(events: Sequence[Event]) -> bool:
    return bool(events) and events[-1].event == "down"
