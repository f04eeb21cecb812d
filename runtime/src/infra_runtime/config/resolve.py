"""Create a plan from command-line options, environment variables and the stack file.

If the files and variables have not changed since a stack was resolved, its plan is read from the plan cache
(`plan_cache` describes which plans are cached) in a few milliseconds. Only for other stacks, pydantic is
imported, which is slow.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infra_runtime.config import plan_cache
from infra_runtime.config.layers import Origin
from infra_runtime.config.request import Resolved, make_request

__all__ = ["Origin", "Resolved", "data_directory", "is_test_environment", "resolve"]


def is_test_environment() -> bool:
    """Return whether this process is a test run, or a process of a test run's stack.

    In these processes, the environment variable INFRA_ENV is `test`.
    """
    return os.environ.get("INFRA_ENV") == "test"


def data_directory(
    directory: Path | None = None, *, environment: str | None = None, data: Path | None = None
) -> Path:
    """Return the path of a stack's data directory without resolving the stack.

    A client that connects to a running stack needs only this path.
    """
    return make_request(directory=directory, environment=environment, data=data).data


def resolve(
    names: Sequence[str] = (),
    *,
    directory: Path | None = None,
    environment: str | None = None,
    profile: str | None = None,
    skip: Sequence[str] = (),
    data: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    executables: bool = True,
    variables_required: bool = True,
) -> Resolved:
    """Return the plan of the stack in a directory, with all values that the plan needs.

    If `names` is not empty, the plan contains only these services, the services that they need, and those
    whose contributions they consume (`contributions.BRING_IN`).

    If `executables` is false, executables are not searched for: this is for engines whose containers have
    their own executables. If `variables_required` is false, a variable in `${env.NAME}` may be unset: this is
    for exports, which read variables at the start of the stack.

    Raises:
        ConfigurationError: the stack file, a variable or an argument has an invalid value.
        UnknownServiceError: a name in `names` or `skip` is not a service.
        BinaryMissingError: an executable is missing.
    """
    request = make_request(
        directory=directory,
        environment=environment,
        data=data,
        names=tuple(names),
        profile=profile,
        skip=tuple(skip),
        overrides=overrides or {},
        variables_required=variables_required,
    )
    if cached := plan_cache.load(request, executables=executables):
        return cached
    from infra_runtime.config import planning  # imports pydantic, which is slow and not always needed

    return planning.resolved(request, executables=executables)
