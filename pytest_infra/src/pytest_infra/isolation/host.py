"""The isolation unit of a proxy: a host name for one test."""

from __future__ import annotations

from abc import abstractmethod

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.unit import Unit


class Host(Unit):
    """A host name. `url` is the proxy's URL; requests contain the host name in their `Host` header."""

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that every request needs."""
        return {"Host": self["host_name"]}

    @abstractmethod
    def route(self, path: str = "/*", *, to: Endpoint | str, strip: bool = False) -> None:
        """Forward requests to a service, or to `HOST:PORT`. The latest route is matched first."""

    @abstractmethod
    def respond(self, path: str = "/*", *, body: str = "", status: int = 200) -> None:
        """Answer requests with a fixed text."""
