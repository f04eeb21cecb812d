"""Shell completion of service names; pydantic is not imported, because its import is slow."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from infra_cli.target import Target
from infra_runtime.errors import InfraError
from infra_runtime.manifest import KINDS, joined


def complete_services(
    context: click.Context, _parameter: click.Parameter, prefix: str
) -> list[CompletionItem]:
    """Return the names of kinds, of services with a log, and of services in the stack file with a prefix."""
    options = context.params
    target = Target(
        directory=options.get("directory"), environment=options.get("environment"), data=options.get("data")
    )
    names = {*KINDS, *joined()}
    with contextlib.suppress(InfraError, OSError):
        names |= {path.stem for path in Path(target.paths().logs).glob("*.log")} - {"supervisor"}
    with contextlib.suppress(InfraError, OSError):
        names |= target.service_tables().keys()
    return [CompletionItem(name) for name in sorted(names) if name.startswith(prefix)]
