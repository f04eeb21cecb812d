"""`infra runtime list`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from infra_cli import output
from infra_cli.target import Target, target
from infra_runtime.manifest import KINDS


@click.command(short_help="Every service on offer, and where its programs are.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON document.")
@target
def command(target: Target, *, as_json: bool) -> None:
    """Every service on offer: the catalogue's, those that other distributions bring, and your own.

    Those of this stack are marked with *. A program that is missing is named with what brings it.

    \b
    Example:
      infra runtime list
    """
    services = list(on_offer(target))
    if as_json:
        output.say_json({"services": services})
        return
    rows = (
        ("*" * service["in_stack"], service["name"], service["summary"], _programs(service["binaries"]))
        for service in services
    )
    for line in output.columns(rows, header=("", "SERVICE", "WHAT IT IS", "PROGRAM")):
        output.say(line)


def _programs(binaries: dict[str, dict[str, Any]]) -> str:
    """The first one's path, and what is missing."""
    missing = [
        output.styled(f"{name} is missing: {found['hint']}", "yellow")
        for name, found in binaries.items()
        if not found["path"] and not found["optional"]
    ]
    first = next((found["path"] for found in binaries.values() if found["path"]), "")
    return "; ".join([first, *missing] if first else missing)


def on_offer(target: Target) -> Iterator[dict[str, Any]]:
    """Name, kind, summary, origin, whether it is in the stack, and its programs.

    A kind whose name the stack file gives to a service of the user's own is left out.
    """
    from infra_cli.programs import programs
    from infra_runtime import catalogue

    resolved = target.resolve(executables=False)
    chosen = {spec.name: spec for spec in resolved.plan.services}
    tables = target.own_services()
    kinds = {name: name for name in catalogue.names()}
    for name, table in sorted(tables.items()):
        kinds[name] = "" if "command" in table else table.get("kind", name)
    for name in sorted(kinds, key=lambda name: not kinds[name]):
        kind, table = kinds[name], tables.get(name, {})
        entry = catalogue.entry(kind) if kind else None
        origin = str(resolved.stack_file)
        if kind == name:
            origin = "kit" if kind in KINDS else "entry point"
        found = programs(name, resolved, kind=kind) if kind else ()
        yield {
            "name": name,
            "kind": kind,
            "summary": entry.summary if entry else table.get("summary", "your own"),
            "origin": origin,
            "in_stack": name in chosen,
            "binaries": {
                each.name: {
                    "path": str(each.path) if each.path else None,
                    "hint": each.hint,
                    "optional": each.optional,
                }
                for each in found
            },
        }
