"""`infra runtime up`: start a stack, report its events and stop it, or detach from it."""

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
from infra_runtime.data_directory import journal
from infra_runtime.data_directory.leak_check import LeakCheck, check_leaks
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import failure, raise_failures
from infra_runtime.engines.local.engine import LocalEngine
from infra_runtime.errors import ConfigurationError, InfraError, LeftoverError, SupervisorError
from infra_runtime.host import processes
from infra_runtime.messages import Event
from infra_runtime.plan import Plan
from infra_runtime.value import frozen

#: seconds in which the guardian stops the services of a killed supervisor
GUARDIAN_TIMEOUT = 5.0
EMPTY_STACK_HINT = "Name a service, skip fewer services, or add services to `use` in the stack file."


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
    """Start a stack and wait until it is stopped, or detach from it. Return the exit code."""
    if options.watch:
        require_watchfiles()
    began = time.perf_counter()
    stack: ReportedStack | None = None
    with Interrupts() as interrupts:
        try:
            with interrupts.deferred():
                resolved = target.resolve(*options.names, profile=options.profile, skip=options.skip)
                names = [spec.name for spec in resolved.plan.services]
                if not names:
                    raise ConfigurationError("no service is left to start", hint=EMPTY_STACK_HINT)
                stack = ReportedStack(resolved, make_report(names, as_json=as_json))
            stack.start(resolved, options, began)
            if not options.detach:
                return stack.wait_for_end(resolved.plan if options.watch else None)
            stack.detach()
        except KeyboardInterrupt:
            if stack is not None:
                if not stack.shared:
                    output.note("stopping the stack; Ctrl-C again kills it at once")
                stack.finish()
            return interrupts.exit_code
        except InfraError:
            if stack is not None:
                stack.finish()
            raise
    return 0


class ReportedStack:
    """A lease on a stack whose events are printed as a report."""

    def __init__(self, resolved: Resolved, report: Report) -> None:
        self._paths = Paths(str(resolved.data))
        self._report = report
        self._stack = LocalEngine().open(resolved)
        self._has_ended = False
        #: the stack keeps running after this lease: another client has a lease, or the stack is set to stay
        self.shared = False
        self._supervisor = processes.look(self._stack.status().pid)

    def start(self, resolved: Resolved, options: UpOptions, began: float) -> None:
        """Start the services. Raises the first failure, except with `watch`: a changed file may fix it."""
        with self._report.starting(self._paths) as listener:
            outcome = self._stack.up(resolved, on_event=listener, wait=options.wait)
        status = self._stack.status()
        self.shared = status.stay or status.leases > 1
        ends = bool(outcome.failures) and not options.watch
        how_to_stop = "" if ends else self._how_to_stop(options)
        self._report.ready(outcome, time.perf_counter() - began, how_to_stop=how_to_stop)
        if not options.watch:
            raise_failures(outcome.failures)
        for failed in outcome.failures:
            output.complain(failure(failed))

    def _how_to_stop(self, options: UpOptions) -> str:
        if options.detach:
            return "`infra runtime down` stops it"
        if self.shared:
            return "Ctrl-C leaves it running, `infra runtime down` stops it"
        return "Ctrl-C stops it"

    def detach(self) -> None:
        """Set the stack to stay, and end the lease."""
        self._stack.stay()
        self._stack.close()

    def wait_for_end(self, watched: Plan | None) -> int:
        """Report events until another process stops the stack; return the exit code.

        With `watched`, restart services of that plan when their files change.

        Raises `SupervisorError` if the supervisor exited without stopping the stack.
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
        # `down --wipe` may have removed the journal; a stack that ended before the first event is in it.
        if not received_down and not _ended(journal.read(self._paths.journal)):
            problem = "the supervisor exited unexpectedly, and its services were stopped"
            raise SupervisorError(problem, self._paths.own_log)
        output.note("the stack was stopped by another process")
        return 0

    def finish(self) -> None:
        """End the lease; if it was the last one, report what is left. Ctrl-C kills the supervisor."""
        if self._has_ended:
            return
        try:
            proof = self._stack.finish()
        except KeyboardInterrupt:
            if self._supervisor:
                processes.send(self._supervisor, signal.SIGKILL)
            self._check_leaks()
        except SupervisorError:
            if self._supervisor and processes.started(self._supervisor.pid) == self._supervisor.started:
                raise  # it does not answer
            self._check_leaks()
        else:
            if proof is None:
                output.note("the stack keeps running: another client has a lease, or it is set to stay")
            else:
                self._report_leaks(proof)

    def _check_leaks(self) -> None:
        """Report what is left; if the supervisor was killed, give its guardian time to stop the services."""
        deadline = time.monotonic() + GUARDIAN_TIMEOUT
        while not (proof := check_leaks(self._paths)).clean and time.monotonic() < deadline:
            time.sleep(0.01)
        self._report_leaks(proof)

    def _report_leaks(self, proof: LeakCheck) -> None:
        self._report.proof(proof)
        if not proof.clean:
            raise LeftoverError(list(proof.left))


def _ended(events: Sequence[Event]) -> bool:
    return bool(events) and events[-1].event == "down"
