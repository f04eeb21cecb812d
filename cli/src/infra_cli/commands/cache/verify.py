"""The command `infra cache verify`, which finds damaged seeds in the user's cache."""

from __future__ import annotations

import click

from infra_cli import output
from infra_cli.commands.cache.list import document
from infra_runtime.data_directory import seed_cache
from infra_runtime.data_directory.paths import Paths


@click.command(short_help="Find damaged seeds: compare their content with the hashes of their build.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@click.pass_context
def command(context: click.Context, *, as_json: bool) -> None:
    """Compare the content of all seeds in the user's cache with the hashes from the time of their build.

    A seed is prepared data, such as a PostgreSQL cluster; a new stack copies the seed. The exit code is 1 if
    a seed is damaged. A stack that copies a seed compares only names, sizes and times of the files. This
    command also reads the content of the files, and therefore detects errors of the disk.

    \b
    Example:
      infra cache verify || infra cache clean --damaged
    """
    folder = Paths(".").seeds()
    seeds = seed_cache.seeds(folder, read_all=True)
    damaged = [seed for seed in seeds if seed.state == "damaged"]
    if as_json:
        output.say_json(document(folder, seeds))
    else:
        for seed in damaged:
            output.say(f"{seed.path}: {seed_cache.damage(seed.path, read_all=True)}")
        intact = sum(seed.state == "ok" for seed in seeds)
        output.say(f"seeds: {intact} intact, {len(damaged)} damaged")
    if damaged:
        context.exit(1)
