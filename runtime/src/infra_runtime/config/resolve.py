"""Create a plan from the command line, environment variables and the stack file.

A stack that was resolved before, from the same files and variables, is read from the plan cache in a few
milliseconds. Only other stacks need pydantic, whose import is slow.
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
    """Return whether this process is a test run, or was started by a test run's stack."""
    return os.environ.get("INFRA_ENV") == "test"


def data_directory(
    directory: Path | None = None, *, environment: str | None = None, data: Path | None = None
) -> Path:
    """Return the path of a stack's data directory, without resolving the stack.

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
    """Read the configuration of a directory's stack, and return its plan with all values (`Resolved`).

    If `names` is not empty, the plan contains only these services and the services that they need.

    If `executables` is false, no executable is searched for, because containers have their own executables.
    If `variables_required` is false, a variable in `${env.NAME}` may be unset, because Compose reads it when
    the stack starts.

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
