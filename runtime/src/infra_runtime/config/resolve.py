"""From the command line, the environment and the stack file to a plan: the face of the configuration.

Pydantic is imported only for what was not resolved before. A stack that was resolved before, from the same
files and variables, comes from the plan cache in a few milliseconds.
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
    """True in a test, and in every process that a test's stack started."""
    return os.environ.get("INFRA_ENV") == "test"


def data_directory(
    directory: Path | None = None, *, environment: str | None = None, data: Path | None = None
) -> Path:
    """The data directory that is meant here, without resolving the stack: enough to attach to it."""
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
    """The stack that is meant here. Naming services pulls in what they need.

    Without `executables` none is looked for: engines that run elsewhere bring their own. Without
    `variables_required` a `${env.NAME}` may be unset: such engines read it where the stack starts.

    Raises:
        ConfigurationError: the stack file, a variable or an argument says what cannot be done.
        UnknownServiceError: a service of `names` or `skip` is nowhere.
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
    if known := plan_cache.recall(request, executables=executables):
        return known
    from infra_runtime.config import planning  # pydantic is dear, and not always needed

    return planning.resolved(request, executables=executables)
