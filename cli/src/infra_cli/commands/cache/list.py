"""The command `infra cache list`, which lists the seeds in the user's cache."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import click

from infra_cli import output
from infra_runtime.data_directory import seed_cache
from infra_runtime.data_directory.paths import Paths


@click.command(short_help="List the seeds: their sizes, ages and states.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
def command(*, as_json: bool) -> None:
    """List the seeds in the user's cache: prepared data, such as a PostgreSQL cluster, for new stacks.

    The least recently used seed is first. The state is `ok`, `damaged` (the next stack builds the seed
    again), or `incomplete` for a build that runs or was interrupted.

    \b
    Example:
      infra cache list
    """
    folder = Paths(".").seeds()
    seeds = seed_cache.seeds(folder)
    if as_json:
        output.say_json(document(folder, seeds))
        return
    output.say(f"{folder}: {size(sum(seed.bytes for seed in seeds))}")
    rows = [
        (seed.name, size(seed.bytes), str(seed.files), output.span(time.time() - seed.used), seed.state)
        for seed in seeds
    ]
    for line in output.columns(rows, header=("SEED", "SIZE", "FILES", "UNUSED FOR", "STATE")):
        output.say(line)


def document(folder: str, seeds: Iterable[seed_cache.CachedSeed]) -> dict[str, Any]:
    """Return the JSON document of `infra cache list`: the folder of the cache and its seeds."""
    return {"folder": folder, "seeds": [seed._asdict() for seed in seeds]}


def size(number: float) -> str:
    """Return a number of bytes in a suitable unit: `512 B`, `28.3 MB`."""
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"
