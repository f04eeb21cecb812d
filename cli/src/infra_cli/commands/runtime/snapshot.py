"""`infra runtime snapshot`: a group of its own, for a snapshot is taken, put back, listed and removed."""

from __future__ import annotations

import click

from infra_cli import output, usage
from infra_cli.target import Target, target


@click.group(cls=usage.Group, short_help="Keep the state of all services, and go back to it.")
def command() -> None:
    """Keep the state of all services, and go back to it.

    \b
    infra runtime snapshot save before-the-migration
    infra runtime snapshot restore before-the-migration
    """


@command.command(short_help="Keep the state of all running services.")
@click.argument("name", default="default")
@click.option("--json", "as_json", is_flag=True, help="As a JSON document: what was noted of it.")
@target
def save(target: Target, *, name: str, as_json: bool) -> None:
    """Keep the state of all running services under NAME, in place of an older one of that name.

    They stand still for the moment of the copy, so that what is kept fits together.

    \b
    Example:
      infra runtime snapshot save before-the-migration
    """
    with target.client() as client:
        found = client.call("snapshot_save", name=name)
    if as_json:
        output.say_json(found)
    else:
        output.say(f"{name}: {', '.join(found['services'])}")


@command.command(short_help="Put the state of a snapshot back.")
@click.argument("name", default="default")
@click.option("--json", "as_json", is_flag=True, help="As a JSON document: what was noted of it.")
@target
def restore(target: Target, *, name: str, as_json: bool) -> None:
    """Put the state of a snapshot back; what came since is lost.

    Services keep their ports, and lose their connections. A snapshot of other versions or other settings is
    refused, and nothing is touched.

    \b
    Example:
      infra runtime snapshot restore before-the-migration
    """
    from infra_runtime.engines.local.client import raise_failures

    with target.client() as client:
        answer = client.call("snapshot_restore", name=name)
    raise_failures(answer)
    if as_json:
        output.say_json(answer["snapshot"])
    else:
        output.say(f"{name}: {', '.join(answer['snapshot']['services'])} are as they were")


@command.command("list", short_help="The snapshots of this stack.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON document.")
@target
def list_all(target: Target, *, as_json: bool) -> None:
    """The snapshots in the data directory, oldest first. Needs no running stack.

    \b
    Example:
      infra runtime snapshot list"""
    from infra_runtime.supervisor import snapshots

    known = snapshots.known(target.paths())
    if as_json:
        output.say_json({"snapshots": known})
        return
    rows = ((it["name"], output.moment(it["time"]), ", ".join(it["services"])) for it in known)
    for line in output.columns(rows, header=("NAME", "TAKEN", "SERVICES")):
        output.say(line)


@command.command(short_help="Remove a snapshot.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="As a JSON document: what was noted of it.")
@target
def remove(target: Target, *, name: str, as_json: bool) -> None:
    """Remove a snapshot from the disk.

    \b
    Example:
      infra runtime snapshot remove before-the-migration"""
    from infra_runtime.supervisor import snapshots

    found = snapshots.remove(target.paths(), name)
    if as_json:
        output.say_json(found)
