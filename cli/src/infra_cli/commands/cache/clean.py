"""The command `infra cache clean`, which removes seeds from the user's cache."""

from __future__ import annotations

import click

from infra_cli import output
from infra_cli.commands.cache.list import document, size
from infra_runtime.data_directory import seed_cache
from infra_runtime.data_directory.paths import Paths


@click.command(short_help="Remove seeds.")
@click.argument("seeds", nargs=-1, metavar="[SEED…]")
@click.option("--damaged", is_flag=True, help="Remove only damaged seeds, and remains of interrupted builds.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print a JSON document: the removed seeds, and the seeds that are in use.",
)
def command(*, seeds: tuple[str, ...], damaged: bool, as_json: bool) -> None:
    """Remove the named seeds from the user's cache, or all seeds if no name is given.

    A seed is prepared data, such as a PostgreSQL cluster; a new stack copies the seed. The next stack that
    needs a removed seed builds the seed again. A seed that a stack is copying or building is not removed,
    and is printed as `in use`. Running stacks have their own copies of the seeds and are not affected.

    \b
    Examples:
      infra cache clean
      infra cache clean --damaged
    """
    folder = Paths(".").seeds()
    existing = seed_cache.seeds(folder, read_all=damaged)
    if unknown := set(seeds) - {seed.name for seed in existing}:
        names = ", ".join(sorted(unknown))
        raise click.UsageError(f"unknown seeds: {names}; `infra cache list` prints the names of all seeds")
    selected = [
        seed
        for seed in existing
        if seed.name in (seeds or {seed.name}) and not (damaged and seed.state == "ok")
    ]
    removed = [seed for seed in selected if seed_cache.remove(seed.path)]
    used = [seed for seed in selected if seed not in removed]
    if as_json:
        output.say_json({**document(folder, removed), "in_use": document(folder, used)["seeds"]})
        return
    for seed in removed:
        output.say(f"removed  {seed.name}  {size(seed.bytes)}")
    for seed in used:
        output.say(f"in use   {seed.name}")
    output.say(f"seeds: {len(removed)} removed, {size(sum(seed.bytes for seed in removed))} freed")
