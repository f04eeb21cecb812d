"""`Stack`, a running stack for Python code, and `Endpoint`, the addresses of its services."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Self
from urllib.parse import quote

from infra_runtime.config.resolve import Resolved
from infra_runtime.data_directory.leak_check import LeakCheck, check_leaks
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import Client, raise_failures
from infra_runtime.engines.variables import program_variables
from infra_runtime.errors import ConfigurationError, SupervisorError, UnknownServiceError
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
    """The address of a service: its exports as attributes and as a mapping.

    The values contain passwords; `repr` masks them.
    """

    def __init__(
        self,
        name: str,
        exports: Mapping[str, str],
        ports: Mapping[str, int],
        data: str,
        sensitive: Iterable[str] = (),
        driver_urls: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.name = name
        #: driver → its URL, with exports in braces; the pytest plugin gets it from the service kit
        self.driver_urls: Mapping[str, str] = dict(driver_urls)
        #: the secret values, which must not occur in output
        self.sensitive = frozenset(sensitive)
        self.ports = dict(ports)
        self.data = Path(data)
        self._exports = dict(exports)

    @property
    def url(self) -> str:
        """The URL for clients. Raises `AttributeError` if the service does not export a URL."""
        return self.__getattr__("url")

    @property
    def host(self) -> str:
        """The host name or address for clients, which is always a loopback address."""
        return self._exports.get("host", "127.0.0.1")

    @property
    def port(self) -> int:
        """The service's export `port`, or if there is none, its first port.

        Raises `AttributeError` without a port.
        """
        first = next(iter(self.ports.values()), None)
        return int(self.__getattr__("port")) if "port" in self._exports or first is None else first

    def url_for(self, driver: str) -> str:
        """Return the URL in the format of a driver, such as `psycopg`; the service kit defines the drivers.

        Exports in the URL are percent-encoded, except exports that are URLs.

        Raises:
            ConfigurationError: the driver is unknown, or an export in its URL is missing.
        """
        if driver not in self.driver_urls:
            drivers = ", ".join(self.driver_urls) or "none"
            use = "Use one of these drivers, or make the URL from the other exports of the service."
            raise ConfigurationError(
                f"{self.name} has no URL for the driver {driver!r}; its drivers are: {drivers}",
                hint=use if self.driver_urls else "The service kits of the pytest plugin define the drivers.",
            )
        exports = {
            name: value if name == "url" or name.endswith("_url") else quote(value, safe="")
            for name, value in self.items()
        }
        try:
            return self.driver_urls[driver].format_map(exports)
        except KeyError as error:
            raise ConfigurationError(
                f"{self.name} has no export {error}, which the URL for the driver {driver!r} needs",
                hint="Use an isolation unit; the shared server does not export a user and a password.",
            ) from error

    def __getattr__(self, name: str) -> str:
        if name.startswith("_"):  # `copy` reads such names before the new object has exports
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


def up_request(resolved: Resolved, wanted: Sequence[str] = (), *, wait: bool = True) -> Up:
    """Return the request that starts the services of a resolved plan, or only `wanted` and their needs."""
    return Up(
        services=resolved.plan.without_containers().services,
        root=resolved.plan.root,
        binaries=resolved.binaries,
        variables=resolved.variables,
        wanted=tuple(wanted),
        wait=wait,
    )


class Stack:
    """A lease on a running stack. Closing the lease stops the stack, unless another client has a lease."""

    def __init__(self, client: Client, paths: Paths) -> None:
        self._client = client
        self._paths = paths
        self._endpoints: dict[str, Endpoint] | None = None
        #: service → the `driver_urls` of its endpoint
        self.driver_urls: Mapping[str, Mapping[str, str]] = {}

    @property
    def data(self) -> Path:
        """The path of the stack's data directory, which identifies the stack."""
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
        """Return a mapping from service name to endpoint for all services whose ports are known."""
        endpoints = self._client.call(ENDPOINTS, Nothing()).services
        return {
            name: Endpoint(
                name,
                service.exports,
                service.ports,
                service.data,
                service.secrets,
                self.driver_urls.get(name, {}),
            )
            for name, service in endpoints.items()
        }

    def env(self) -> dict[str, str]:
        """Return the variables that `infra runtime exec` sets, such as `POSTGRES_URL` and `DATABASE_URL`."""
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
        """Start the services of a resolved plan, and return their states and the failures.

        `wanted` contains the names of the services to start; services that they need are started too. If
        `wanted` is empty, all services are started. If `wait` is false, the method returns at once.
        """
        if on_event is not None:
            self._client.subscribe()
        self._endpoints = None
        request = up_request(resolved, wanted, wait=wait)
        return self._client.call(UP, request, on_event=on_event)

    def events(self) -> Iterator[Event]:
        """Yield every event of the stack until the stack ends; the iteration waits for each event.

        The first event is the next event after the call of `up` with `on_event`, or else after this call.
        """
        return self._client.events()

    def last_change(self) -> tuple[int, int] | None:
        """Return a value that differs after each event of the stack; None if the journal cannot be read.

        The value is the inode and the size of the journal, so no request is sent.
        """
        if not self._client.quiet():
            return None
        journal = Path(self._paths.journal).stat()
        return journal.st_ino, journal.st_size

    def start(self, *services: str) -> None:
        """Start services that were stopped. Raises `StartError` like `infra_runtime.start`."""
        outcome = self._client.call(START, Names(services=services))
        raise_failures(outcome.failures)
        ports = {name: endpoint.ports for name, endpoint in (self._endpoints or {}).items()}
        if any(ports.get(service.name) != service.ports for service in outcome.services):
            self._endpoints = None  # if a port was in use, another port was chosen

    def stop(self, *services: str) -> None:
        """Stop services, and return when all their processes have exited."""
        self._client.call(STOP, Names(services=services))

    def restart(self, *services: str) -> None:
        """Stop and start services, and return when they are ready again. The services keep their ports."""
        raise_failures(self._client.call(RESTART, Names(services=services)).failures)
        self._endpoints = None

    def kill(self, *services: str) -> None:
        """Kill services with SIGKILL; the services stay stopped until `start` is called."""
        self._client.call(KILL, Names(services=services))

    def crash(self, *services: str, signal: int = 9, wait: bool = False) -> None:
        """Send a signal to all processes of services, to test a crash; the restart policy then applies.

        With `wait`, return when the services are ready again. Raises `StartError` if a service does not
        become ready.
        """
        request = Crash(services=services, signal=signal, wait=wait)
        raise_failures(self._client.call(CRASH, request).failures)

    def pause(self, *services: str) -> None:
        """Pause the processes of services: connections stay open, but get no answer until `resume`."""
        self._client.call(PAUSE, Names(services=services))

    def resume(self, *services: str) -> None:
        """Continue services that `pause` has paused."""
        self._client.call(RESUME, Names(services=services))

    def snapshot(self, name: str = "default") -> Snapshot:
        """Save the state of all services under a name, and return the snapshot's description.

        Raises `SnapshotError`.
        """
        return self._client.call(SNAPSHOT_SAVE, SnapshotName(name=name))

    def restore(self, name: str = "default") -> None:
        """Restore the state of all services from a snapshot; the endpoints do not change.

        All connections of clients to the services are closed.

        Raises `SnapshotError` if the settings or versions of the services have changed since the snapshot.
        """
        raise_failures(self._client.call(SNAPSHOT_RESTORE, SnapshotName(name=name)).failures)

    def wait(self, *services: str, timeout: float = 60.0) -> None:
        """Return when the services are ready. Raises `WaitTimeoutError` after `timeout` seconds."""
        raise_failures(self._client.call(WAIT, Wait(services=services, timeout=timeout)).failures)

    def stay(self, *, on: bool = True, seconds: float | None = None) -> None:
        """Set whether the stack keeps running after its last lease, and for how many seconds.

        If `seconds` is None, the stack runs until `down` is called.
        """
        self._client.call(STAY, Stay(on=on, seconds=seconds))

    def down(self) -> None:
        """Stop the stack for all clients; return when its supervisor has exited.

        Raises `LeftoverError` if a process, port or socket of the stack remains.
        """
        self._client.call(DOWN, Nothing())
        self._client.await_end(0.0)  # the services have stopped
        self._client.close()

    def finish(self) -> LeakCheck | None:
        """End the lease; if it was the last lease, return the leak check when the stack has stopped.

        Return None if the stack keeps running, because another client has a lease.
        """
        return check_leaks(self._paths) if self._release() else None

    def close(self) -> None:
        """End the lease; if it was the last lease, return when the stack has stopped."""
        with contextlib.suppress(SupervisorError):
            self._release()
        self._client.close()

    def _release(self) -> bool:
        """End the lease; return whether it was the last lease, so that the stack stopped."""
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
