"""The command `infra runtime list`, which lists all available services."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from infra_cli import output
from infra_cli.target import Target, target
from infra_runtime.manifest import KINDS


@click.command(short_help="List all available services and their executables.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@target
def command(target: Target, *, as_json: bool) -> None:
    """List all services that a stack can use.

    The list contains the kinds of services that pytest-infra and other installed packages provide, and the
    services of your stack file. The services that this stack uses are marked with *. A missing executable
    that a service requires is listed with a hint for its installation.

    \b
    Example:
      infra runtime list
    """
    services = list(available_services(target))
    if as_json:
        output.say_json({"services": services})
        return
    rows = (
        ("*" * service["in_stack"], service["name"], service["summary"], _programs(service["binaries"]))
        for service in services
    )
    for line in output.columns(rows, header=("", "SERVICE", "DESCRIPTION", "PROGRAM")):
        output.say(line)


def _programs(binaries: dict[str, dict[str, Any]]) -> str:
    """Return the path of the first executable that was found, and the missing required ones, as text."""
    missing = [
        output.styled(f"{name} is missing: {binary['hint']}", "yellow")
        for name, binary in binaries.items()
        if not binary["path"] and not binary["optional"]
    ]
    path = next((binary["path"] for binary in binaries.values() if binary["path"]), "")
    return "; ".join([path, *missing] if path else missing)


def available_services(target: Target) -> Iterator[dict[str, Any]]:
    """Yield the JSON data of each service that a stack can use.

    The keys are name, kind, summary, origin, whether the service is in the stack, and executables. A kind is
    omitted if the stack file uses its name for a service of the user or of another kind.
    """
    from infra_cli.programs import programs
    from infra_runtime import catalogue

    resolved = target.resolve(executables=False)
    stack_services = {spec.name: spec for spec in resolved.plan.services}
    tables = target.service_tables()
    kinds = {name: name for name in catalogue.names()}
    for name, table in sorted(tables.items()):
        kinds[name] = "" if "command" in table else table.get("kind", name)
    for name in sorted(kinds, key=lambda name: not kinds[name]):
        kind, table = kinds[name], tables.get(name, {})
        entry = catalogue.entry(kind) if kind else None
        origin = str(resolved.stack_file)
        if kind == name:
            origin = "kit" if kind in KINDS else "entry point"
        executables = programs(name, resolved, kind=kind) if kind else ()
        yield {
            "name": name,
            "kind": kind,
            "summary": entry.summary if entry else table.get("summary", "your own"),
            "origin": origin,
            "in_stack": name in stack_services,
            "binaries": {
                executable.name: {
                    "path": str(executable.path) if executable.path else None,
                    "hint": executable.hint,
                    "optional": executable.optional,
                }
                for executable in executables
            },
        }
