"""Holding a stack: its start, its life, and every way in which that ends."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra_cli import output
from infra_cli.interrupts import Interrupts
from infra_cli.target import Target
from infra_cli.up_report import Report, report
from infra_cli.watching import Watcher, globs_of, require_watchfiles
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

#: seconds for a guardian to end what a killed supervisor leaves
GUARDIAN_PATIENCE = 5.0
NOTHING = "Name a service, or skip fewer, or put some into `use` of the stack file."


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What `up` was asked to do."""

    names: tuple[str, ...] = ()
    profile: str | None = None
    skip: tuple[str, ...] = ()
    detach: bool = False
    wait: bool = True
    watch: bool = False


def hold(target: Target, order: Order, *, as_json: bool) -> int:
    """Start a stack and hold it until it ends, or detach from it. Returns the exit code."""
    if order.watch:
        require_watchfiles()
    began = time.perf_counter()
    held: Held | None = None
    with Interrupts() as interrupts:
        try:
            with interrupts.deferred():
                resolved = target.resolve(*order.names, profile=order.profile, skip=order.skip)
                names = [spec.name for spec in resolved.plan.services]
                if not names:
                    raise ConfigurationError("no service is left to start", hint=NOTHING)
                held = Held(resolved, report(names, as_json=as_json))
            held.start(resolved, order, began)
            if not order.detach:
                return held.last(resolved.plan if order.watch else None)
            held.leave()
        except KeyboardInterrupt:
            if held is not None:
                if not held.shared:
                    output.note("stopping; Ctrl-C again kills at once")
                held.finish()
            return interrupts.exit_code
        except InfraError:
            if held is not None:
                held.finish()
            raise
    return 0


class Held:
    """A lease on a stack, and somebody to whom its life is told."""

    def __init__(self, resolved: Resolved, told: Report) -> None:
        self._paths = Paths(str(resolved.data))
        self._told = told
        self._stack = LocalEngine().open(resolved)
        self._gone = False
        #: somebody else holds it too, or it was told to stay: it will not end with us
        self.shared = False
        self._supervisor = processes.look(self._stack.status().pid)

    def start(self, resolved: Resolved, order: Order, began: float) -> None:
        """Start what was ordered. Raises the first failure, unless a change of a file may mend it."""
        with self._told.starting(self._paths) as listener:
            outcome = self._stack.up(resolved, on_event=listener, wait=order.wait)
        status = self._stack.status()
        self.shared = status.stay or status.leases > 1
        ends = bool(outcome.failures) and not order.watch
        then = "" if ends else self._then(order)
        self._told.ready(outcome, time.perf_counter() - began, then=then)
        if not order.watch:
            raise_failures(outcome.failures)
        for failed in outcome.failures:
            output.complain(failure(failed))

    def _then(self, order: Order) -> str:
        if order.detach:
            return "`infra runtime down` stops it"
        if self.shared:
            return "Ctrl-C leaves it running, `infra runtime down` stops it"
        return "Ctrl-C stops it"

    def leave(self) -> None:
        """Have the stack stay, and give the lease back."""
        self._stack.stay()
        self._stack.close()

    def last(self, watched: Plan | None) -> int:
        """Tell what happens until the stack is gone by somebody else's doing.

        Raises `SupervisorError` when its supervisor died.
        """
        watcher = Watcher(self._paths, Path(watched.root), globs_of(watched)) if watched else None
        told_of_its_end = False
        if watcher:
            watcher.start()
        try:
            for event in self._stack.events():
                self._told.event(event)
                told_of_its_end |= event.event == "down"
        finally:
            if watcher:
                watcher.stop()
        self._gone = True
        self._check_leaks()
        # Whoever stopped it may have wiped the journal, too; and one that ended before we listened is in it.
        if not told_of_its_end and not _ended(journal.read(self._paths.journal)):
            raise SupervisorError("the supervisor died, and its services with it", self._paths.own_log)
        output.note("the stack was stopped from elsewhere")
        return 0

    def finish(self) -> None:
        """Give the lease back; when it was the last, tell what is left. Ctrl-C meanwhile kills everything."""
        if self._gone:
            return
        try:
            proof = self._stack.finish()
        except KeyboardInterrupt:
            if self._supervisor:
                processes.send(self._supervisor, signal.SIGKILL)
            self._check_leaks()
        except SupervisorError:  # it died just now
            self._check_leaks()
        else:
            if proof is None:
                output.note("the stack goes on: somebody else holds it, or it was told to stay")
            else:
                self._tell(proof)

    def _check_leaks(self) -> None:
        """The proof for a supervisor that may have been killed: its guardian needs a moment."""
        deadline = time.monotonic() + GUARDIAN_PATIENCE
        while not (proof := check_leaks(self._paths)).clean and time.monotonic() < deadline:
            time.sleep(0.01)
        self._tell(proof)

    def _tell(self, proof: LeakCheck) -> None:
        self._told.proof(proof)
        if not proof.clean:
            raise LeftoverError(list(proof.left))


def _ended(events: Sequence[Event]) -> bool:
    return bool(events) and events[-1].event == "down"
