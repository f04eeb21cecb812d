"""The Python API of a running stack: `Stack`, and `Endpoint`, the address of a service."""

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

    The values can contain passwords; `repr` does not show the values.
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
        #: driver → its URL, with the names of exports in braces; the pytest plugin reads the mapping from the
        #: service kit
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
        """The host name or address for clients: the export `host`; without this export, 127.0.0.1."""
        return self._exports.get("host", "127.0.0.1")

    @property
    def port(self) -> int:
        """The number of the service's export `port`, or, without this export, of its first port.

        Raises `AttributeError` if the service has no port.
        """
        first_port = next(iter(self.ports.values()), None)
        return int(self.__getattr__("port")) if "port" in self._exports or first_port is None else first_port

    def url_for(self, driver: str) -> str:
        """Return the URL of the service for a driver, such as `psycopg`; the service kit defines the drivers.

        The values of exports in the URL are percent-encoded, except values that are URLs.

        Raises:
            ConfigurationError: the driver is unknown, or an export in its URL is missing.
        """
        if driver not in self.driver_urls:
            drivers = ", ".join(self.driver_urls) or "none"
            use = "Use one of these drivers, or build the URL from the exports of the service."
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
        if name.startswith("_"):  # `copy` reads such attributes before the new object has `_exports`
            raise AttributeError(name)
        if name in self._exports:
            return self._exports[name]
        exports = ", ".join(self._exports) or "none"
        raise AttributeError(f"{self.name} does not export {name!r}; its exports are: {exports}")

    def __getitem__(self, name: str) -> str:
        return self._exports[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._exports)

    def __len__(self) -> int:
        return len(self._exports)

    def __repr__(self) -> str:
        return f"<Endpoint {self.name} {self.ports}>"


def up_request(resolved: Resolved, names: Sequence[str] = (), *, wait: bool = True) -> Up:
    """Return the request that starts the services in `names` (empty: all services) and their needs."""
    return Up(
        services=resolved.plan.without_containers().services,
        root=resolved.plan.root,
        binaries=resolved.binaries,
        variables=resolved.variables,
        wanted=tuple(names),
        wait=wait,
    )


class Stack:
    """A lease on a running stack; `close` ends the lease.

    The stack stops when its last lease ends, unless `stay` was called. The object that `attach(lease=False)`
    returns has no lease.
    """

    def __init__(self, client: Client, paths: Paths) -> None:
        self._client = client
        self._paths = paths
        self._endpoints: dict[str, Endpoint] | None = None
        #: service → the `driver_urls` of its endpoint
        self.driver_urls: Mapping[str, Mapping[str, str]] = {}

    @property
    def data(self) -> Path:
        """The path of the stack's data directory; each stack has its own data directory."""
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
        """Return variables with the exports of the services, such as `POSTGRES_URL` and `DATABASE_URL`.

        `infra config env` prints these variables; `infra runtime exec` sets them and further variables.
        """
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
        """Start the services of a resolved plan; return their states and the failures.

        `wanted` contains the names of the services to start in addition to the services that they need; if it
        is empty, all services are started. If `wait` is false, the method returns before the services are
        ready.
        """
        if on_event is not None:
            self._client.subscribe()
        self._endpoints = None
        request = up_request(resolved, wanted, wait=wait)
        return self._client.call(UP, request, on_event=on_event)

    def events(self) -> Iterator[Event]:
        """Yield the events of the stack until its supervisor exits; the iteration waits for each event.

        The first event is the next event after `up` with `on_event` has returned; without this call, after
        the start of the iteration.
        """
        return self._client.events()

    def last_change(self) -> tuple[int, int] | None:
        """Return a value that changes with each event of the stack; None if the connection may be closed.

        The connection may be closed if `close` was called, or if data that were not read have arrived.
        The value is the inode and the size of the journal; no request is sent.
        """
        if not self._client.quiet():
            return None
        journal = Path(self._paths.journal).stat()
        return journal.st_ino, journal.st_size

    def start(self, *services: str) -> None:
        """Start stopped services and the services that they need, and return when they are ready.

        Raises `StartError` if a service fails, `PortTakenError` if its port is in use.
        """
        outcome = self._client.call(START, Names(services=services))
        raise_failures(outcome.failures)
        ports = {name: endpoint.ports for name, endpoint in (self._endpoints or {}).items()}
        if any(ports.get(service.name) != service.ports for service in outcome.services):
            self._endpoints = None  # a service has another port, because its earlier port was in use

    def stop(self, *services: str) -> None:
        """Stop services, and return when all their processes have exited."""
        self._client.call(STOP, Names(services=services))

    def restart(self, *services: str) -> None:
        """Stop and start services, and return when they are ready again.

        A port changes only if another process uses it in the meantime. Raises the same errors as `start`.
        """
        raise_failures(self._client.call(RESTART, Names(services=services)).failures)
        self._endpoints = None

    def kill(self, *services: str) -> None:
        """Kill services with SIGKILL; the services stay stopped until a call such as `start` starts them."""
        self._client.call(KILL, Names(services=services))

    def crash(self, *services: str, signal: int = 9, wait: bool = False) -> None:
        """Send a signal to all processes of services to simulate a crash; their restart policies then apply.

        With `wait`, return when the services are ready again, or stopped if their policies forbid a restart.
        Raises `StartError` if a service has then failed, `WaitTimeoutError` if a process does not exit after
        the signal, `ConfigurationError` if the signal does not exist.
        """
        request = Crash(services=services, signal=signal, wait=wait)
        raise_failures(self._client.call(CRASH, request).failures)

    def pause(self, *services: str) -> None:
        """Pause the processes of services: until `resume`, connections stay open without answers.

        When this stack is closed, the services continue. Raises `ConfigurationError` for a service that runs
        in a container.
        """
        self._client.call(PAUSE, Names(services=services))

    def resume(self, *services: str) -> None:
        """Continue services that `pause` has paused."""
        self._client.call(RESUME, Names(services=services))

    def snapshot(self, name: str = "default") -> Snapshot:
        """Save the state of all running services under a name, and return the description of the snapshot.

        Services that are not part of snapshots, such as the dashboard, are omitted.
        Raises `SnapshotError` if the snapshot cannot be saved.
        """
        return self._client.call(SNAPSHOT_SAVE, SnapshotName(name=name))

    def restore(self, name: str = "default") -> None:
        """Restore the state of all services in a snapshot; the endpoints do not change.

        The services restart, so connections to the services are closed. Raises `SnapshotError` if the
        snapshot is missing or damaged, or if the settings or the executables of the services have changed
        since the snapshot; `StartError` if a service fails after the restore.
        """
        raise_failures(self._client.call(SNAPSHOT_RESTORE, SnapshotName(name=name)).failures)

    def wait(self, *services: str, timeout: float = 60.0) -> None:
        """Return when the services (by default, all services) are ready.

        The method does not wait for paused services, and services that were never started. Raises
        `StartError` if a service fails or a client has stopped it, `WaitTimeoutError` after `timeout`
        seconds.
        """
        raise_failures(self._client.call(WAIT, Wait(services=services, timeout=timeout)).failures)

    def stay(self, *, on: bool = True, seconds: float | None = None) -> None:
        """Set whether the stack keeps running after its last lease, and for how many seconds.

        If `on` is true and `seconds` is None, the stack runs until `down` is called. If no client has a
        lease, the seconds begin now, or, if `on` is false, the stack stops now.
        """
        self._client.call(STAY, Stay(on=on, seconds=seconds))

    def down(self) -> None:
        """Stop the stack for all clients; return when its supervisor has exited.

        Raises `LeftoverError` if a process, container or port of the stack remains.
        """
        self._client.call(DOWN, Nothing())
        self._client.await_end(0.0)  # the services have already stopped
        self._client.close()

    def finish(self) -> LeakCheck | None:
        """End the lease; after the last lease, wait until the stack has stopped and return its leak check.

        Return None if the stack keeps running.
        """
        return check_leaks(self._paths) if self._release() else None

    def close(self) -> None:
        """End the lease; if it was the last lease, wait until the stack has stopped."""
        with contextlib.suppress(SupervisorError):
            self._release()
        self._client.close()

    def _release(self) -> bool:
        """End the lease; if it was the last lease, wait until the stack has stopped, and return true."""
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
