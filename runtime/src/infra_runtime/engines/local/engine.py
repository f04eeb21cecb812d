"""The local engine, which runs a plan under a supervisor, and the functions `start` and `attach`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infra_runtime.config.resolve import Resolved, data_directory, resolve
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import Client, raise_failures
from infra_runtime.engines.local.launch import Launch, connect_or_launch
from infra_runtime.engines.local.stack import Stack, up_request
from infra_runtime.value import frozen


@frozen
class LocalEngine:
    """The engine that runs plans under a supervisor on this machine. The class implements `RunningEngine`."""

    #: the function that starts the supervisor's process; None: the supervisor is a child of this process
    launch: Launch | None = None

    @property
    def name(self) -> str:
        """The name by which users choose this engine: `local`."""
        return "local"

    def open(self, resolved: Resolved, *, starting: bool = False) -> Stack:
        """Return a lease on the stack of a resolved plan, without starting the services of the plan.

        If no supervisor is running for the plan's data directory, the function starts one. If the caller will
        then call `Stack.up` with this plan, it sets `starting`: a new supervisor of tests then starts
        services early.

        Raises `ImageMissingError` if the image of a service is not on this machine.
        """
        if any(spec.image for spec in resolved.plan.services):
            from infra_runtime.config import missing_images  # imported here because few stacks need it

            missing_images.check(resolved)
        paths = Paths(str(resolved.data))
        client = connect_or_launch(
            paths,
            resolved.environment,
            tmpfs=resolved.tmpfs,
            request=up_request(resolved) if starting else None,
            launch=self.launch,
        )
        return Stack(client, paths)


def start(
    *services: str,
    directory: Path | str | None = None,
    environment: str | None = None,
    profile: str | None = None,
    skip: Sequence[str] = (),
    data: Path | str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Stack:
    """Start services and the services that they need; return a lease on their stack when all are ready.

    Without names, all services of the stack are started, except those in `skip`. Services that are already
    running in the data directory are not started again. `Stack.close` ends the lease. The stack stops when
    the last lease ends, unless a client has called `Stack.stay`; the lease of a process also ends if the
    process is killed.

    Raises:
        ConfigurationError: the stack file or a setting contains an invalid value.
        UnknownServiceError: a name is not the name of a service.
        BinaryMissingError: an executable was not found.
        ImageMissingError: the image of a service is not on this machine.
        DataDirectoryError: the data directory cannot be used.
        SupervisorError: the supervisor does not start or does not answer.
        PlanChangedError: a service is already running with other settings.
        PortTakenError: another process listens on a fixed port.
        StartError: a service did not become ready; the error contains the last lines of its log.
    """
    resolved = resolve(
        services,
        directory=Path(directory) if directory else None,
        environment=environment,
        profile=profile,
        skip=skip,
        data=Path(data) if data else None,
        overrides=overrides,
    )
    stack = LocalEngine().open(resolved, starting=True)
    try:
        raise_failures(stack.up(resolved).failures)
    except BaseException:
        stack.close()
        raise
    return stack


def attach(
    data: Path | str | None = None, *, lease: bool = True, directory: Path | str | None = None
) -> Stack:
    """Connect to the stack that is running in a data directory; by default, in the project's data directory.

    If `lease` is false, the stack can stop during the connection. Raises `NoStackError` if no stack is
    running in this directory.
    """
    if data is None:
        data = data_directory(Path(directory) if directory else None)
    paths = Paths(str(data))
    return Stack(Client.connect(paths, lease=lease), paths)
