"""The command `infra runtime snapshot`, which saves, restores, lists and removes snapshots."""

from __future__ import annotations

import click

from infra_cli import output, usage_errors
from infra_cli.target import Target, target


@click.group(cls=usage_errors.Group, short_help="Save and restore the state of all services.")
def command() -> None:
    """Save and restore the state of all services.

    \b
    infra runtime snapshot save before-the-migration
    infra runtime snapshot restore before-the-migration
    """


@command.command(short_help="Save the state of all running services.")
@click.argument("name", default="default")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document that describes the snapshot.")
@target
def save(target: Target, *, name: str, as_json: bool) -> None:
    """Save the state of all running services as the snapshot NAME; an older snapshot NAME is replaced.

    The services are paused during the copy, so that their states are consistent with each other. Services
    that a client has paused are saved too; the dashboard is not saved. If the command fails or is
    interrupted, the older snapshot is unchanged.

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


@command.command(short_help="Restore the state of a snapshot.")
@click.argument("name", default="default")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document that describes the snapshot.")
@target
def restore(target: Target, *, name: str, as_json: bool) -> None:
    """Restore the state that a snapshot contains; later changes of the data are lost.

    The services keep their ports, but connections to the services are closed. The command fails if the
    snapshot is damaged, if it was saved with other versions or settings of the services, or if the data of a
    service cannot be replaced. In this case, all services continue with their present data. The command also
    fails if a service does not become ready with the restored data.

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
        output.say(f"{name}: restored {', '.join(restored.snapshot.services)}")


@command.command("list", short_help="List the snapshots of this stack.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@target
def list_all(target: Target, *, as_json: bool) -> None:
    """List the snapshots in the data directory, the oldest snapshot first.

    The stack does not have to be running.

    Damaged snapshots are reported after the list; they cannot be restored, and `remove` removes them.

    \b
    Example:
      infra runtime snapshot list
    """
    from infra_runtime.data_directory import snapshots

    existing, damaged = snapshots.listing(target.paths())
    if as_json:
        output.say_json(
            {
                "snapshots": [snapshot.to_json() for snapshot in existing],
                "damaged": [snapshot.to_json() for snapshot in damaged],
            }
        )
        return
    rows = (
        (snapshot.name, output.moment(snapshot.time), ", ".join(snapshot.services)) for snapshot in existing
    )
    for line in output.columns(rows, header=("NAME", "TAKEN", "SERVICES")):
        output.say(line)
    for snapshot in damaged:
        output.note(f"snapshot {snapshot.name} cannot be restored: {snapshot.reason}")


@command.command(short_help="Remove a snapshot.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document that describes the snapshot.")
@target
def remove(target: Target, *, name: str, as_json: bool) -> None:
    """Remove a snapshot from the data directory. The snapshot can be damaged.

    \b
    Example:
      infra runtime snapshot remove before-the-migration
    """
    from infra_runtime.data_directory import snapshots

    snapshot = snapshots.remove(target.paths(), name)
    if as_json:
        output.say_json(snapshot.to_json())
