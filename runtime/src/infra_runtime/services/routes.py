"""The routes of a proxy: which requests go to which target. A route has the same effect in every proxy; only
Traefik refuses routes to files.

The module of a proxy only converts these routes to the configuration of the proxy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from infra_runtime.catalogue import ServiceSettings
from infra_runtime.contributions import Contributions

#: the path of the proxy's own health check; this path has priority over all routes
HEALTH = "/__infra/health"
_ADDRESS = re.compile(r"[^/\s]+:\d+")

#: the seconds for which a request waits for a service that is restarting
Patience = Annotated[float, Field(ge=0, le=3600)]


def is_address(text: str) -> bool:
    """Return whether a string is an address `HOST:PORT`, and not the name of a service."""
    return _ADDRESS.fullmatch(text) is not None


class Route(BaseModel):
    """A rule of the proxy: which requests go to which target (a service of the stack, a server, or files)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = "/*"
    host: str | None = None
    #: whether the fixed part of the path is removed before a request is forwarded
    strip: bool = False
    #: the target: the name of a service that exports `host` and `port`, or an address `HOST:PORT`
    to: str | None = None
    #: the folder with files to serve; a relative path is relative to the folder of the stack file
    files: str | None = None

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: str) -> str:
        if not path.startswith("/"):
            raise ValueError(f"{path!r} should begin with /")
        return path

    @model_validator(mode="after")
    def _one_target(self) -> Route:
        if (self.to is None) == (self.files is None):
            raise ValueError("a route needs either `to` or `files`")
        if self.to and "://" in self.to:
            raise ValueError(f"`to` should be a service or HOST:PORT, not the URL {self.to!r}")
        return self

    @property
    def prefix(self) -> str:
        """The part of a path that the proxy removes, without its last slash; empty if `strip` is false."""
        return self.path.removesuffix("*").removesuffix("/") if self.strip else ""

    @property
    def upstream(self) -> str:
        """The address `HOST:PORT` of the target; for a service, with references such as `${api.host}`."""
        to = self.to or ""
        return to if is_address(to) else f"${{{to}.host}}:${{{to}.port}}"

    @property
    def folder(self) -> str:
        """The path of the folder in `files`; a relative path begins with the reference `${root}`."""
        files = self.files or ""
        return files if files.startswith("/") else f"${{root}}/{files}"


class ProxySettings(ServiceSettings):
    """The settings of every proxy."""

    #: the first matching route is used; the routes that services contribute follow after these routes
    routes: tuple[Route, ...] = ()


def all_routes(settings: ProxySettings, contributions: Contributions) -> tuple[Route, ...]:
    """Return the routes of a proxy in the order in which the proxy tries them.

    The routes in the settings of the proxy come first, then the routes that services offer. Of the offered
    routes, a route with a longer path precedes a route with a shorter path. If the paths have the same
    length, a route with a host precedes a route without a host.
    """
    contributed = [Route(to=offer.service, **asdict(offer.value)) for offer in contributions]
    contributed.sort(key=lambda route: (-len(route.path), route.host is None, route.host, route.to))
    return (*settings.routes, *contributed)


def folders(routes: Iterable[Route]) -> tuple[str, ...]:
    """Return the folders of the routes with `files`, without duplicates."""
    return tuple(dict.fromkeys(route.files for route in routes if route.files is not None))


def path_expression(path: str) -> str:
    """Return a regular expression that matches the decoded paths to which a route applies.

    The proxy must not distinguish upper and lower case when it applies the expression.

    The route `/api/*` also applies to `/api`. If the only `*` is at the end of the path, it matches any text;
    otherwise, each `*` matches a text without `/`. The expression has the same meaning in PCRE and in RE2.

    Source: Caddy documentation, "Request matchers", path.
    """
    fixed_path, ending = (path[:-2], "(/.*)?$") if path.endswith("/*") else (path, "$")
    if not fixed_path:
        return "^/"
    if "*" in fixed_path.removesuffix("*"):
        return f"^{'[^/]*'.join(map(re.escape, fixed_path.split('*')))}{ending.replace('.', '[^/]')}"
    if fixed_path.endswith("*"):
        return f"^{re.escape(fixed_path[:-1])}"
    return f"^{re.escape(fixed_path)}{ending}"


def host_expression(host: str) -> str:
    """Return a regular expression that matches the host names of a route; `*` matches exactly one label."""
    return f"^{'[^.]+'.join(map(re.escape, host.split('*')))}$"
