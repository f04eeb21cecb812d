"""The isolation unit of a proxy: a host name, with routes, that belongs to one test."""

from __future__ import annotations

from abc import abstractmethod

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.unit import Unit


class Host(Unit):
    """A host name that belongs to one test.

    `url` is the URL of the proxy. The test sends its requests to this URL, with the
    host name in the header `Host`.
    """

    @property
    def headers(self) -> dict[str, str]:
        """The headers that every request to the proxy must contain, so that this unit's routes are used."""
        return {"Host": self["host_name"]}

    @abstractmethod
    def route(self, path: str = "/*", *, to: Endpoint | str, strip: bool = False) -> None:
        """Add a route that forwards requests with a matching path to a service or to `HOST:PORT`.

        The route that was added last is matched first.
        """

    @abstractmethod
    def respond(self, path: str = "/*", *, body: str = "", status: int = 200) -> None:
        """Add a route: if the path of a request matches, the response has this `body` and `status`."""
