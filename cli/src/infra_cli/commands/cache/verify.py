"""`infra cache verify`."""

from __future__ import annotations

import click

from infra_cli import output
from infra_cli.commands.cache.list import document
from infra_runtime.data_directory import seed_cache
from infra_runtime.data_directory.paths import Paths


@click.command(short_help="Compare the content of all seeds with their stamps.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@click.pass_context
def command(context: click.Context, *, as_json: bool) -> None:
    """Read all seeds, and compare their content with their stamps; the exit code is 1 if one is damaged.

    Stacks compare names, sizes and times at each use. This command also finds changes of the disk.

    \b
    Example:
      infra cache verify || infra cache clean --damaged"""
    folder = Paths(".").seeds()
    seeds = seed_cache.seeds(folder, read_all=True)
    damaged = [seed for seed in seeds if seed.state == "damaged"]
    if as_json:
        output.say_json(document(folder, seeds))
    else:
        for seed in damaged:
            output.say(f"{seed.path}: {seed_cache.damage(seed.path, read_all=True)}")
        intact = sum(seed.state == "ok" for seed in seeds)
        output.say(f"{intact} intact, {len(damaged)} damaged")
    if damaged:
        context.exit(1)
