"""The command `infra runtime down`, which stops the stack."""

from __future__ import annotations

from pathlib import Path

import click

from infra_cli import output
from infra_cli.target import Target, target
from infra_runtime.errors import LeftoverError, NoStackError


@click.command(short_help="Stop the stack, and verify that none of its processes, ports and sockets is left.")
@click.option(
    "--wipe",
    is_flag=True,
    help="Also remove the data of the stack; this works even if no stack is running.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@target
def command(target: Target, *, wipe: bool, as_json: bool) -> None:
    """Stop the stack of this directory, even if other clients have a lease on it.

    A lease is a client's open connection to the supervisor. The command returns when no process, port or
    socket of the stack is left, and fails if one is left after all. If the supervisor was killed, the command
    kills the processes that are left.
    If no stack is running, the exit code is 7. A script can accept this exit code with
    `infra runtime down || test $? -eq 7`. With --wipe, the exit code is 7 only if no stack is running and the
    data directory contains no data to remove.

    --wipe removes everything that pytest-infra created in the data directory, including snapshots and failure
    reports. The directory itself is removed if it is then empty. For a directory that contains other files
    and no marker file `infra.json`, the command fails and removes nothing.

    \b
    Examples:
      infra runtime down
      infra runtime down --wipe                the next start begins without data
      infra runtime down --env test            stop the stack that a test run has kept
    """
    from infra_runtime.data_directory.leak_check import check_leaks, counted
    from infra_runtime.data_directory.remains import Cleaned, end_unsupervised
    from infra_runtime.data_directory.wipe import remove
    from infra_runtime.engines.local.stack import Stack

    paths = target.paths()
    cleaned = Cleaned()
    not_running: NoStackError | None = None
    try:
        stack = Stack(target.connect(), paths)
    except NoStackError as error:
        cleaned = end_unsupervised(paths)
        if not cleaned:
            if not wipe:
                raise
            not_running = error
    else:
        stack.down()
    leak_check = check_leaks(paths)
    removed = remove(paths) if wipe else []
    if not_running and not removed:
        raise not_running
    stopped = not_running is None
    if as_json:
        killed = list(cleaned.pids)
        output.say_json({"stopped": stopped, "killed": killed, **leak_check.to_json(), "removed": removed})
    else:
        counts = [counted(len(cleaned.pids), "process", "processes")] if cleaned.pids else []
        counts += [counted(cleaned.containers, "container")] if cleaned.containers else []
        if counts:
            output.say(
                f"infra: the supervisor was killed earlier; stopped the {' and '.join(counts)} "
                "that remained of the stack"
            )
        output.say(f"infra: {leak_check}" if stopped else f"infra: no stack was running in {paths.data}")
        if wipe:
            output.say(f"infra: removed {', '.join(removed) or 'nothing'} in {paths.data}")
    # A folder can be missing because --wipe has removed it.
    if remaining := [
        resource
        for resource in leak_check.left
        if resource not in leak_check.folders or Path(resource).exists()
    ]:
        raise LeftoverError(remaining)
