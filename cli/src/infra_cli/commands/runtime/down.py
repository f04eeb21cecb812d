"""`infra runtime down`."""

from __future__ import annotations

from pathlib import Path

import click

from infra_cli import output
from infra_cli.target import Target, target
from infra_runtime.errors import LeftoverError, NoStackError


@click.command(short_help="Stop the stack, for everybody, and prove it.")
@click.option("--wipe", is_flag=True, help="Then remove the data, of stacks that were killed too.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON document.")
@target
def command(target: Target, *, wipe: bool, as_json: bool) -> None:
    """Stop the stack of this directory, whoever holds it, and prove that nothing of it is left.

    Where no stack runs this says so, and ends with exit code 7; a script to which that is as good writes
    `infra runtime down || test $? -eq 7`. With --wipe it is an error only when there is no data either.

    --wipe removes what this kit made in the data directory, snapshots and capsules too, and the directory
    if nothing else is in it. It touches no directory without the marker `infra.json`.

    \b
    Examples:
      infra runtime down
      infra runtime down --wipe                begin with nothing the next time
      infra runtime down --env test            a warm stack that a test run has left
    """
    from infra_runtime.data_directory.leak_check import check_leaks
    from infra_runtime.data_directory.wipe import remove
    from infra_runtime.engines.local.client import Client
    from infra_runtime.engines.local.stack import Stack

    paths = target.paths()
    stopped = True
    try:
        stack = Stack(Client.connect(paths), paths)
    except NoStackError:
        if not wipe:
            raise
        stopped = False
    else:
        stack.down()
    proof = check_leaks(paths)
    removed = remove(paths) if wipe else []
    if not stopped and not removed:
        raise NoStackError(paths.data)
    if as_json:
        output.say_json({"stopped": stopped, **proof.to_json(), "removed": removed})
    else:
        output.say(f"infra: {proof}" if stopped else f"infra: no stack was running in {paths.data}")
        if wipe:
            output.say(f"infra: removed {', '.join(removed) or 'nothing'} in {paths.data}")
    # A folder may have gone with the wipe.
    if left := [it for it in proof.left if it not in proof.folders or Path(it).exists()]:
        raise LeftoverError(left)
