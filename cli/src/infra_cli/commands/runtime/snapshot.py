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
    from infra_runtime.messages import SNAPSHOT_SAVE, SnapshotName

    with target.client() as client:
        snapshot = client.call(SNAPSHOT_SAVE, SnapshotName(name=name))
    if as_json:
        output.say_json(snapshot.to_json())
    else:
        output.say(f"{name}: {', '.join(snapshot.services)}")


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
    from infra_runtime.messages import SNAPSHOT_RESTORE, SnapshotName

    with target.client() as client:
        restored = client.call(SNAPSHOT_RESTORE, SnapshotName(name=name))
    raise_failures(restored.failures)
    if as_json:
        output.say_json(restored.snapshot.to_json())
    else:
        output.say(f"{name}: {', '.join(restored.snapshot.services)} are as they were")


@command.command("list", short_help="The snapshots of this stack.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON document.")
@target
def list_all(target: Target, *, as_json: bool) -> None:
    """The snapshots in the data directory, oldest first. Needs no running stack.

    \b
    Example:
      infra runtime snapshot list"""
    from infra_runtime.data_directory import snapshots

    known = snapshots.known(target.paths())
    if as_json:
        output.say_json({"snapshots": [snapshot.to_json() for snapshot in known]})
        return
    rows = ((it.name, output.moment(it.time), ", ".join(it.services)) for it in known)
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
    from infra_runtime.data_directory import snapshots

    snapshot = snapshots.remove(target.paths(), name)
    if as_json:
        output.say_json(snapshot.to_json())
