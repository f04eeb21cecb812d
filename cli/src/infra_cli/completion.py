"""Shell completion of services, without importing pydantic."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from infra_cli.target import Target
from infra_runtime.errors import InfraError
from infra_runtime.manifest import KINDS, joined


def complete_services(
    context: click.Context, _parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """Return the services of the running stack and of the stack file, and all kinds."""
    given = context.params
    target = Target(
        directory=given.get("directory"), environment=given.get("environment"), data=given.get("data")
    )
    found = {*KINDS, *joined()}
    with contextlib.suppress(InfraError, OSError):
        found |= {path.stem for path in Path(target.paths().logs).glob("*.log")} - {"supervisor"}
    with contextlib.suppress(InfraError, OSError):
        found |= target.own_services().keys()
    return [CompletionItem(name) for name in sorted(found) if name.startswith(begun)]
