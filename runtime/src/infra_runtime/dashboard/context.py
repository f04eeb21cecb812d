"""The object `Dashboard`, with the data and functions that the handlers of all requests share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import TypeAlias

from infra_runtime.dashboard.api_checks import ApiChecks
from infra_runtime.dashboard.navigation_counts import NavigationCounts
from infra_runtime.dashboard.parameters import ParameterError
from infra_runtime.dashboard.sessions import Sessions
from infra_runtime.dashboard.stack import Stack, SupervisorLink
from infra_runtime.dashboard.telemetry import TelemetryError
from infra_runtime.data_directory.paths import Paths, plan_folders
from infra_runtime.errors import NoStackError
from infra_runtime.host import disk
from infra_runtime.messages import Endpoints
from infra_runtime.value import frozen
from infra_runtime.web.audit import AuditLog

#: A function that maps the dotted key of each setting to its value, with masked secrets, and its source.
#: Raises `InfraError` if the stack file is not valid.
Configuration: TypeAlias = Callable[[], dict[str, tuple[str, str]]]


@frozen
class Dashboard:
    """The settings of the dashboard, and the objects that its handlers use."""

    #: the name of the service, and the number of its port
    name: str
    port: int
    #: the folder of the stack file
    root: Path
    paths: Paths
    key: str
    stack: Stack
    sessions: Sessions
    audit: AuditLog
    configuration: Configuration
    apis: ApiChecks
    #: the data directories with the failure reports of tests
    reports: tuple[Path, ...] = ()
    #: the numbers beside the links of the navigation
    counts: NavigationCounts = field(default_factory=NavigationCounts)
    #: an event that is set when the process stops, so that the streams end
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """The URL of the dashboard for browsers; no other service has the host name of this URL."""
        return f"http://{self.name}.localhost:{self.port}"

    @property
    def hosts(self) -> frozenset[str]:
        """The accepted values of the header `Host`."""
        names = (f"{self.name}.localhost", "localhost", "127.0.0.1")
        return frozenset(f"{name.lower()}:{self.port}" for name in names)

    @property
    def cookie(self) -> str:
        """The name of the cookie. It contains the port: browsers send a cookie to all ports of a host."""
        return f"infra-{self.port}"

    @property
    def project(self) -> str:
        """The name of the stack on the pages: the name of the folder that contains the stack file."""
        return self.root.name or str(self.root)

    def paths_of(self, stack: str) -> Paths:
        """Return the paths of a stack of this project.

        `stack` is a key of `stacks`; an empty string selects the stack of the dashboard itself. Raises
        `ParameterError` for an unknown key.
        """
        if not stack or stack == self.paths.stack:
            return self.paths
        folder = self.stacks().get(stack)
        if folder is None:
            raise ParameterError(f"this project has no stack {stack[:80]!r}")
        return Paths(str(folder))

    def stacks(self) -> dict[str, Path]:
        """Return a mapping from id to data directory: the stacks of the project, also those of test runs."""
        folders = [path for folder in self.reports for path in (folder, *plan_folders(folder))]
        return {Paths(str(folder)).stack: folder for folder in folders if disk.is_folder(str(folder))}

    async def endpoints(self, stack: str) -> Endpoints:
        """Return the exports of all services of a stack, including secrets.

        Raises `InfraError`, and `ParameterError` for an unknown stack.
        """
        paths = self.paths_of(stack)
        if paths is self.paths:
            return await self.stack.endpoints()
        try:
            return await asyncio.to_thread(SupervisorLink(paths).endpoints)
        except NoStackError:
            raise TelemetryError(
                f"the stack in {paths.data} is not running; the failure report of a test contains its trace"
            ) from None
