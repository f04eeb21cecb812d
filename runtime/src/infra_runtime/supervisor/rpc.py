"""What a client may ask of the supervisor: the methods of the control socket."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial
from typing import Any

from infra_runtime.data_directory.paths import PROTOCOL
from infra_runtime.errors import (
    LeftoverError,
    PlanChangedError,
    SupervisorError,
    UnknownServiceError,
    WaitTimeoutError,
)
from infra_runtime.spec import decode_service, encode
from infra_runtime.supervisor.binding import Scope
from infra_runtime.supervisor.control import Connection, Method
from infra_runtime.supervisor.leases import Leases
from infra_runtime.supervisor.state import RESTING, SATISFYING, Event, Phase
from infra_runtime.supervisor.supervisor import Supervisor


class Methods:
    """One method for each name in `table`; `finished` is done when the stack is down for good."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._leases = Leases(self.end)
        self._down: asyncio.Task[list[str]] | None = None
        #: of two who snapshot or restore at once one waits
        self._snapshots = asyncio.Lock()
        self.closing = asyncio.Event()
        self.finished = asyncio.Event()

    def table(self) -> dict[str, Method]:
        """The methods by name."""
        names = "hello up status endpoints bound start stop restart kill crash pause resume wait"
        names += " snapshot_save snapshot_restore subscribe stay release down"
        return {name: getattr(self, name) for name in names.split()}

    async def hello(self, connection: Connection, params: dict[str, Any]) -> dict[str, Any]:
        """Who are you; with `lease`, the stack lives at least as long as this connection."""
        if params.get("lease", False):
            self._leases.take(connection)
        supervisor = self._supervisor
        services = supervisor.machine.services
        return {
            "protocol": PROTOCOL,
            "pid": os.getpid(),
            "environment": supervisor.environment,
            "data": supervisor.paths.data,
            "ending": self._down is not None,
            "services": {name: service.spec.digest() for name, service in services.items()},
        }

    async def up(self, _connection: Connection, params: dict[str, Any]) -> dict[str, Any]:
        """Start services and what they need, and answer when each is ready or has failed.

        A service that runs already is left as it is, if its spec is the same. Without `wait` the answer
        comes at once.
        """
        self._refuse_when_ending()
        specs = [decode_service(data) for data in params["services"]]
        scope = Scope(params["root"], self._supervisor.environment, params["binaries"], params["variables"])
        services = self._supervisor.machine.services
        for spec in specs:
            old = services.get(spec.name)
            if old is None or (old.spec != spec and old.phase in RESTING):
                self._supervisor.add(spec, scope)
            elif old.spec != spec:
                raise PlanChangedError(spec.name, _changes(encode(old.spec), encode(spec)))
        wanted = params.get("wanted") or [spec.name for spec in specs]
        return await self._start(wanted, wait=params.get("wait", True))

    async def start(self, _connection: Connection, params: dict[str, Any]) -> dict[str, Any]:
        """Start services that the stack knows."""
        self._refuse_when_ending()
        return await self._start(self._known(params["services"]))

    async def _start(self, wanted: list[str], *, wait: bool = True) -> dict[str, Any]:
        supervisor = self._supervisor
        closure = supervisor.machine.closure(wanted)
        services = {name: supervisor.machine.services[name] for name in closure}
        if any(service.phase not in SATISFYING for service in services.values()):
            # Every test asks; the journal tells when something came of it.
            needs = {name: service.needs for name, service in services.items()}
            supervisor.journal.write("wanted", services=wanted, needs=needs)
        for name in wanted:
            supervisor.dispatch(Event("wanted", name))
        if wait:
            await self._settle(closure)
        return self._answer(wanted)

    async def _settle(self, names: list[str]) -> None:
        await self._supervisor.settle(names)
        self._refuse_when_ending()  # somebody said `down` meanwhile: this was no start

    def _answer(self, wanted: list[str]) -> dict[str, Any]:
        closure = self._supervisor.machine.closure(wanted)
        return {
            "services": [self._service(name) for name in closure],
            "failures": [self._failure(name) for name in closure if self._is_missing(name)],
        }

    async def stop(self, _connection: Connection, params: dict[str, Any]) -> dict[str, Any]:
        """Stop services, and answer when they are gone. What needs them goes on, and may complain."""
        names = self._known(params["services"])
        await self._supervisor.stop(names)
        return {"services": [self._service(name) for name in names]}

    async def restart(self, _connection: Connection, params: dict[str, Any]) -> dict[str, Any]:
        """Stop and start services, and answer when they are ready again."""
        self._refuse_when_ending()
        names = self._known(params["services"])
        for name in names:
            self._supervisor.dispatch(Event("restart", name))
        await self._settle(self._supervisor.machine.closure(names))
        return self._answer(names)

    async def kill(self, _connection: Connection, params: dict[str, Any]) -> dict[str, Any]:
        """SIGKILL services, and leave them dead until somebody starts them."""
        names = self._known(params["services"])
        for name in names:
            self._supervisor.kill(name)
        await self._supervisor.settle(names)
        return {"services": [self._service(name) for name in names]}

    async def crash(self, _connection: Connection, params: dict[str, Any]) -> dict[str, Any]:
        """Send a signal to everything of the services; what follows is up to their restart policy."""
        names = self._known(params["services"])
        services = self._supervisor.machine.services
        pids = {name: services[name].pid for name in names}
        for name in names:
            self._supervisor.crash(name, int(params.get("signal", signal.SIGKILL)))
        if params.get("wait"):
            for name, pid in pids.items():
                while pid and services[name].pid == pid:
                    await self._supervisor.change()
            await self._supervisor.settle(names)
        return self._answer(names)

    async def pause(self, connection: Connection, params: dict[str, Any]) -> dict[str, Any]:
        """Freeze services (SIGSTOP): their connections stay open, and nothing answers.

        One that is on its way is frozen when it is ready, one that does not run is left alone.
        """
        names = self._known(params["services"])
        await self._supervisor.settle(names)
        await self._supervisor.pause(names)
        # Whoever froze them may die before it thaws them: that is no state to leave to others.
        for name in names:
            connection.at_end(partial(self._supervisor.resume, name))
        return {"services": [self._service(name) for name in names]}

    async def resume(self, _connection: Connection, params: dict[str, Any]) -> dict[str, Any]:
        """Let paused services go on."""
        names = self._known(params["services"])
        for name in names:
            self._supervisor.resume(name)
        return {"services": [self._service(name) for name in names]}

    async def snapshot_save(self, _connection: Connection, params: dict[str, Any]) -> dict[str, Any]:
        """Keep the state of all services under a name."""
        from infra_runtime.supervisor import snapshots  # with shutil 3 ms, which every boot would pay

        async with self._snapshots:
            return await snapshots.save(self._supervisor, params["name"])

    async def snapshot_restore(self, _connection: Connection, params: dict[str, Any]) -> dict[str, Any]:
        """Put the state of a snapshot back, and answer when the services are ready with it."""
        from infra_runtime.supervisor import snapshots

        self._refuse_when_ending()
        async with self._snapshots:
            described = await snapshots.restore(self._supervisor, params["name"])
        return {**self._answer(list(described["services"])), "snapshot": described}

    async def status(self, _connection: Connection, _params: dict[str, Any]) -> dict[str, Any]:
        """All that a person may see; secrets are masked."""
        supervisor = self._supervisor
        return {
            "pid": os.getpid(),
            "environment": supervisor.environment,
            "data": supervisor.paths.data,
            "leases": len(self._leases),
            "stay": self._leases.stays,
            "stay_seconds": self._leases.stay_seconds,
            "services": [self._service(name) for name in supervisor.machine.services],
        }

    async def endpoints(self, _connection: Connection, params: dict[str, Any]) -> dict[str, Any]:
        """What services export and run with, in the clear: for programs, and never to be printed."""
        names = self._known(params.get("services") or list(self._supervisor.bound))
        found = {name: self._supervisor.bound[name] for name in names if name in self._supervisor.bound}
        return {
            name: {
                "kind": bound.spec.kind,
                "exports": bound.exports,
                "ports": bound.ports,
                "data": bound.data,
                "env": bound.env,
                "program": bound.command[0] if bound.command else "",
            }
            for name, bound in found.items()
        }

    async def bound(self, _connection: Connection, _params: dict[str, Any]) -> dict[str, Any]:
        """The running plan with its places; only exports are shown, masked."""
        return {
            name: {
                "kind": bound.spec.kind,
                "data": bound.data,
                "run": bound.run,
                "ports": bound.ports,
                "cwd": bound.cwd,
                "exports": bound.shown,
            }
            for name, bound in self._supervisor.bound.items()
        }

    async def wait(self, _connection: Connection, params: dict[str, Any]) -> dict[str, Any]:
        """Answer when services are ready (all of them, or those named). Raises after `timeout` seconds."""
        supervisor = self._supervisor
        names = self._known(params.get("services") or []) or list(supervisor.machine.services)
        seconds = float(params.get("timeout", 60))
        try:
            async with asyncio.timeout(seconds):
                while not names or not supervisor.machine.settled(names):
                    await supervisor.change()
                    names = names or list(supervisor.machine.services)
        except TimeoutError:
            pending = supervisor.pending(names)
            raise WaitTimeoutError(seconds, pending) from None
        return self._answer(names)

    async def subscribe(self, connection: Connection, _params: dict[str, Any]) -> dict[str, Any]:
        """From now on every event comes as a notification `event`."""
        journal = self._supervisor.journal

        def listener(record: dict[str, Any]) -> None:
            connection.notify("event", record)

        journal.listeners.add(listener)
        connection.at_end(lambda: journal.listeners.discard(listener))
        return {}

    async def stay(self, _connection: Connection, params: dict[str, Any]) -> dict[str, Any]:
        """Whether the stack outlives its last lease, and for how many seconds (null: for good)."""
        self._leases.stay(on=bool(params["on"]), seconds=params.get("seconds"))
        return {"stay": self._leases.stays}

    async def release(self, connection: Connection, _params: dict[str, Any]) -> dict[str, Any]:
        """Give the lease back, and learn whether that ends the stack."""
        self._leases.give_back(connection)
        return {"leases": len(self._leases), "ending": self.closing.is_set() or self._down is not None}

    async def down(self, _connection: Connection, _params: dict[str, Any]) -> dict[str, Any]:
        """Stop everything, and answer with the proof. Raises `LeftoverError` when it fails."""
        left = await asyncio.shield(self.end())
        if left:
            raise LeftoverError(left)
        return {"left": [], "services": len(self._supervisor.machine.services)}

    def end(self) -> asyncio.Task[list[str]]:
        """Begin to stop for good; everybody gets the same task."""
        if self._down is None:
            self._down = asyncio.get_running_loop().create_task(self._end())
        return self._down

    async def _end(self) -> list[str]:
        self.closing.set()
        self._supervisor.journal.write("stopping")
        left = await self._supervisor.down()
        self._supervisor.journal.write("down", left=left)
        self.finished.set()
        return left

    def _refuse_when_ending(self) -> None:
        if self._down is not None:
            raise SupervisorError("the stack is stopping")

    # --- answers -------------------------------------------------------------------------------------

    def _known(self, names: list[str]) -> list[str]:
        known = self._supervisor.machine.services
        for name in names:
            if name not in known:
                raise UnknownServiceError(name, sorted(known))
        return names

    def _service(self, name: str) -> dict[str, Any]:
        supervisor, service = self._supervisor, self._supervisor.machine.services[name]
        bound = supervisor.bound.get(name)
        return {
            "name": name,
            "kind": service.spec.kind,
            "summary": service.spec.summary,
            "phase": service.phase.value,
            "ready": service.phase in SATISFYING,
            "task": service.spec.task,
            "copy_of": service.spec.copy_of,
            "reason": service.reason,
            "pid": service.pid,
            "seconds": round(asyncio.get_running_loop().time() - service.since, 3),
            "restarts": service.restarts,
            "needs": list(service.needs),
            "ports": bound.ports if bound else {},
            "exports": bound.shown if bound else {},
            "log": supervisor.logs.path(name),
        }

    def _is_missing(self, name: str) -> bool:
        """It failed, or somebody stopped it; one that ended well by itself is what it should be."""
        service = self._supervisor.machine.services[name]
        return service.phase is Phase.FAILED or (service.phase is Phase.STOPPED and not service.wanted)

    def _failure(self, name: str) -> dict[str, Any]:
        service = self._supervisor.machine.services[name]
        return {
            "service": name,
            "kind": service.error,
            "reason": service.reason or "was stopped",
            "port": self._supervisor.refused_ports.get(name),
            "log": self._supervisor.logs.path(name),
            "log_tail": self._supervisor.log_tail(name) if service.error == "start" else [],
        }


def _changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [key for key in new if old.get(key) != new[key]]
