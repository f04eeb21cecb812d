"""Host names as isolation units of a proxy; the kit of each kind of proxy has a subclass of `RoutedHost`."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from infra_runtime.config.resolve import Resolved
from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError, InfraError
from infra_runtime.services.routes import is_address
from pytest_infra.isolation.copies import Copier
from pytest_infra.isolation.host import Host
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.readable import write_json
from pytest_infra.isolation.unit import Unit


@dataclass(frozen=True, kw_only=True)
class HostRoute:
    """A route of a test: requests that match `path` are forwarded to `to`, or answered with `body`."""

    path: str
    #: `HOST:PORT`; empty if the route has a fixed response
    to: str = ""
    strip: bool = False
    body: str = ""
    status: int = 200


class RoutedHost(Host):
    """A host name in a proxy, with routes, that belongs to one test."""

    def __init__(self, server: Endpoint, name: str, label: str) -> None:
        super().__init__(server, name, label, host_name=f"{name}.localhost")
        #: the routes in the order in which they were added; the last route is matched first
        self.added_routes: list[HostRoute] = []
        #: the routes of the last Hypothesis example, if the example has failed
        self._failed_routes: list[HostRoute] = []

    def route(self, path: str = "/*", *, to: Endpoint | str, strip: bool = False) -> None:
        """Add a route that forwards requests to a service or to `HOST:PORT`.

        The route that was added last is matched first.
        """
        upstream = to if isinstance(to, str) else f"{to.host}:{to.port}"
        if not is_address(upstream):
            raise ConfigurationError(
                f"`to` should be the endpoint of a service or HOST:PORT, not {upstream!r}"
            )
        self._append(HostRoute(path=path, to=upstream, strip=strip))

    def respond(self, path: str = "/*", *, body: str = "", status: int = 200) -> None:
        """Add a route that answers requests with a fixed text."""
        self._append(HostRoute(path=path, body=body, status=status))

    @contextlib.contextmanager
    def example(self) -> Iterator[RoutedHost]:
        """Yield this host for one Hypothesis example; afterwards, remove the routes of the example.

        The routes of a failed example remain until the next example begins, for the failure report.
        """
        self._remove_failed_example()
        route_count = len(self.added_routes)
        try:
            yield self
        except BaseException:
            self._failed_routes = self.added_routes[route_count:]
            raise
        self.clear(route_count)

    def routes(self) -> list[Any]:
        """Return the routes of this host name as JSON data."""
        return [asdict(route) for route in self.added_routes]

    def clear(self, remaining: int = 0) -> None:
        """Remove the routes of this host name, except the first `remaining` routes."""
        if len(self.added_routes) > remaining:
            del self.added_routes[remaining:]
            self.update()

    def _remove_failed_example(self) -> None:
        """Remove the routes of the last example if it has failed, and keep the routes that were added later.

        The later routes are added again, because a proxy can only remove the routes that were added last.
        """
        failed_ids = {id(route) for route in self._failed_routes}
        numbers = [number for number, route in enumerate(self.added_routes) if id(route) in failed_ids]
        self._failed_routes = []
        if numbers:
            later_routes = [route for route in self.added_routes[numbers[0] :] if id(route) not in failed_ids]
            self.clear(numbers[0])
            if later_routes:
                self.added_routes += later_routes
                self.update()

    def _append(self, route: HostRoute) -> None:
        self.added_routes.append(route)
        try:
            self.update()
        except InfraError:  # the proxy refuses the route
            self.clear(len(self.added_routes) - 1)
            raise

    @abstractmethod
    def update(self) -> None:
        """Configure the proxy with the routes in `added_routes`, and wait until the proxy uses them."""

    def remove(self) -> None:
        """Remove the routes of this host name from the proxy after the test."""
        self.clear()


def write_file(path: Path, text: str) -> None:
    """Write a file atomically: a proxy that reads it meanwhile gets the complete old or complete new text."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    temporary_path = path.with_suffix(".new")
    temporary_path.write_text(text, encoding="utf-8")
    temporary_path.replace(path)


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the routes of a unit (a host name) to a file as JSON; return a list with the path of the file."""
    path = folder / f"{unit.id}.json"
    write_json(path, unit.routes() if isinstance(unit, RoutedHost) else [])
    return [path]


class Hosts:
    """Host names in a copy of a proxy; only this process uses the copy.

    A change of the routes can close connections with active requests. Each worker of pytest-xdist has its own
    copy, so the change does not affect the tests of other workers.
    """

    def __init__(
        self,
        server: Endpoint,
        owner: Owner,
        stack: Path,
        resolved: Resolved,
        host: Callable[[Endpoint, str, str], RoutedHost],
    ) -> None:
        self._name, self._owner, self._host = server.name, owner, host
        self._copier = Copier(server, stack, resolved)
        self._copy = self._copier.make()
        self._proxy = self._copier.endpoints[self._copy]
        self._keep = False

    def acquire(self, label: str) -> Unit:
        """Return an isolation unit: a new host name without routes."""
        unit = self._host(self._proxy, self._owner.name().replace("_", "-"), label)
        unit.name = self._name
        return unit

    def release(self, unit: Unit) -> None:
        """Remove the routes of a unit's host name after the test, unless `unit.keep` is set."""
        if unit.keep:
            self._keep = True
        elif isinstance(unit, RoutedHost):
            with contextlib.suppress(OSError):  # a copy that is stopped has no routes
                unit.remove()

    def restart(self) -> None:
        """Restart the copy of the proxy that this process uses, and wait until it is ready again."""
        self._copier.restart(self._copy)

    def close(self) -> list[str]:
        """Stop the copy of the proxy, unless a unit in it is kept; return its name if this fails."""
        try:
            if self._keep:
                self._copier.keep(self._copy)
            else:
                self._copier.remove(self._copy)
        except InfraError:
            return [self._copy]
        finally:
            self._copier.close()
        return []
