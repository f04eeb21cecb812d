"""`start()` and `attach()`: a running stack in Python's hands, and where its services answer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from infra_runtime.config.resolve import Resolved
from infra_runtime.data_directory.leak_check import LeakCheck, check_leaks
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import Client, raise_failures
from infra_runtime.engines.variables import program_variables
from infra_runtime.errors import SupervisorError, UnknownServiceError
from infra_runtime.messages import (
    CRASH,
    DOWN,
    ENDPOINTS,
    KILL,
    PAUSE,
    RELEASE,
    RESTART,
    RESUME,
    SNAPSHOT_RESTORE,
    SNAPSHOT_SAVE,
    START,
    STATUS,
    STAY,
    STOP,
    UP,
    WAIT,
    Crash,
    Event,
    Names,
    Nothing,
    Outcome,
    Snapshot,
    SnapshotName,
    Status,
    Stay,
    Up,
    Wait,
)


class Endpoint(Mapping[str, str]):
    """Where a service answers: its exports as attributes and as a mapping.

    The values hold passwords in the clear; `repr` does not.
    """

    def __init__(
        self,
        name: str,
        exports: Mapping[str, str],
        ports: Mapping[str, int],
        data: str,
        sensitive: Iterable[str] = (),
    ) -> None:
        self.name = name
        #: the values that must not occur in output
        self.sensitive = frozenset(sensitive)
        self.ports = dict(ports)
        self.data = Path(data)
        self._exports = dict(exports)

    @property
    def url(self) -> str:
        """The URL that clients connect to. Raises `AttributeError` when the service exports none."""
        return self.__getattr__("url")

    @property
    def host(self) -> str:
        """Always loopback."""
        return self._exports.get("host", "127.0.0.1")

    @property
    def port(self) -> int:
        """The one that it exports as `port`, or its first. Raises `AttributeError` when it has none."""
        first = next(iter(self.ports.values()), None)
        return int(self.__getattr__("port")) if "port" in self._exports or first is None else first

    def __getattr__(self, name: str) -> str:
        if name.startswith("_"):  # a copy that is being made asks, before it has any exports
            raise AttributeError(name)
        if name in self._exports:
            return self._exports[name]
        raise AttributeError(f"{self.name} exports no {name!r}, but {', '.join(self._exports) or 'nothing'}")

    def __getitem__(self, name: str) -> str:
        return self._exports[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._exports)

    def __len__(self) -> int:
        return len(self._exports)

    def __repr__(self) -> str:
        return f"<Endpoint {self.name} {self.ports}>"


class Stack:
    """A lease on a running stack. Closing it stops the stack, unless another client has a lease too."""

    def __init__(self, client: Client, paths: Paths) -> None:
        self._client = client
        self._paths = paths
        self._endpoints: dict[str, Endpoint] | None = None

    @property
    def data(self) -> Path:
        """The data directory, which names the stack."""
        return Path(self._paths.data)

    def __getattr__(self, name: str) -> Endpoint:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except UnknownServiceError as error:
            raise AttributeError(str(error)) from error

    def __getitem__(self, name: str) -> Endpoint:
        if self._endpoints is None or name not in self._endpoints:
            self._endpoints = self.endpoints()
        if name not in self._endpoints:
            raise UnknownServiceError(name, sorted(self._endpoints))
        return self._endpoints[name]

    def endpoints(self) -> dict[str, Endpoint]:
        """Return every service that is bound, by name."""
        endpoints = self._client.call(ENDPOINTS, Nothing()).services
        return {
            name: Endpoint(name, service.exports, service.ports, service.data, service.secrets)
            for name, service in endpoints.items()
        }

    def env(self) -> dict[str, str]:
        """Return the variables that `infra runtime exec` sets: `POSTGRES_URL`, `DATABASE_URL`, …"""
        return program_variables(self._client.call(ENDPOINTS, Nothing()).services)

    def status(self) -> Status:
        """Return the state of the stack and of its services; secrets are masked."""
        return self._client.call(STATUS, Nothing())

    def up(
        self,
        resolved: Resolved,
        wanted: Sequence[str] = (),
        on_event: Callable[[Event], None] | None = None,
        *,
        wait: bool = True,
    ) -> Outcome:
        """Start the services of a resolved plan, and return them as they are then, with those that failed.

        `wanted` names the services to start, with those that they need; empty: all. Without `wait` the method
        returns at once.
        """
        if on_event is not None:
            self._client.subscribe()
        self._endpoints = None
        request = Up(
            services=resolved.plan.without_containers().services,
            root=resolved.plan.root,
            binaries=resolved.binaries,
            variables=resolved.variables,
            wanted=tuple(wanted),
            wait=wait,
        )
        return self._client.call(UP, request, on_event=on_event)

    def events(self) -> Iterator[Event]:
        """Yield every event since `up` had an `on_event`, or from now on, until the stack ends. Blocks."""
        return self._client.events()

    def start(self, *services: str) -> None:
        """Start services that were stopped. Raises `StartError` like `infra_runtime.start`."""
        outcome = self._client.call(START, Names(services=services))
        raise_failures(outcome.failures)
        known = {name: endpoint.ports for name, endpoint in (self._endpoints or {}).items()}
        if any(known.get(service.name) != service.ports for service in outcome.services):
            self._endpoints = None  # a port was taken meanwhile, and another one was chosen

    def stop(self, *services: str) -> None:
        """Stop services, and return when nothing of them is left."""
        self._client.call(STOP, Names(services=services))

    def restart(self, *services: str) -> None:
        """Stop and start services; they keep their ports."""
        raise_failures(self._client.call(RESTART, Names(services=services)).failures)
        self._endpoints = None

    def kill(self, *services: str) -> None:
        """SIGKILL services, and do not restart them before `start`."""
        self._client.call(KILL, Names(services=services))

    def crash(self, *services: str, signal: int = 9, wait: bool = False) -> None:
        """Send a signal to all processes of services; the restart policy decides what follows.

        With `wait`, return when they are ready again; raises `StartError` when they don't come back.
        """
        request = Crash(services=services, signal=signal, wait=wait)
        raise_failures(self._client.call(CRASH, request).failures)

    def pause(self, *services: str) -> None:
        """Freeze services: their connections stay open, and nothing answers until `resume`."""
        self._client.call(PAUSE, Names(services=services))

    def resume(self, *services: str) -> None:
        """Let paused services go on."""
        self._client.call(RESUME, Names(services=services))

    def snapshot(self, name: str = "default") -> Snapshot:
        """Save the state of all services under a name, and return the snapshot's description.

        Raises `SnapshotError`.
        """
        return self._client.call(SNAPSHOT_SAVE, SnapshotName(name=name))

    def restore(self, name: str = "default") -> None:
        """Restore a snapshot. Endpoints stay the same, connections are closed.

        Raises `SnapshotError` when the services have other settings or versions now.
        """
        raise_failures(self._client.call(SNAPSHOT_RESTORE, SnapshotName(name=name)).failures)

    def wait(self, *services: str, timeout: float = 60.0) -> None:
        """Return when the services are ready. Raises `WaitTimeoutError` after `timeout` seconds."""
        raise_failures(self._client.call(WAIT, Wait(services=services, timeout=timeout)).failures)

    def stay(self, *, on: bool = True, seconds: float | None = None) -> None:
        """Have the stack outlive its last lease, by so many seconds or for good; or no longer."""
        self._client.call(STAY, Stay(on=on, seconds=seconds))

    def down(self) -> None:
        """Stop the stack for all clients; return when its supervisor has exited too.

        Raises `LeftoverError` when anything of it is left.
        """
        self._client.call(DOWN, Nothing())
        self._client.await_end(0.0)  # the services have stopped
        self._client.close()

    def finish(self) -> LeakCheck | None:
        """Give the lease back; when it was the last, wait for the end and look for what is left.

        None: the stack keeps running, because another client has a lease.
        """
        return check_leaks(self._paths) if self._release() else None

    def close(self) -> None:
        """Give the lease back; when it was the last, return when the stack is gone."""
        with contextlib.suppress(SupervisorError):
            self._release()
        self._client.close()

    def _release(self) -> bool:
        """Give the lease back; return whether the stack stopped, because it was the last one."""
        released = self._client.call(RELEASE, Nothing())
        if released.ending:
            self._client.await_end(released.stop_seconds)
        self._client.close()
        return released.ending

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Stack {self._paths.data}>"
