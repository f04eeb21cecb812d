"""The command `infra bin remove`, which removes installed executables."""

from __future__ import annotations

import click

from infra_cli import output
from infra_cli.commands.bin._project import Project, project
from infra_cli.commands.bin.install import document
from infra_cli.commands.cache.list import size


@click.command(short_help="Remove installed executables.")
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.option("--old", is_flag=True, help="Remove only other versions than those in the lock.")
@click.option(
    "--downloads",
    is_flag=True,
    help="Also remove the remains of interrupted downloads; without NAME and --old, only these.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON document that lists the removed executables."
)
@project
def command(project: Project, *, names: tuple[str, ...], old: bool, downloads: bool, as_json: bool) -> None:
    """Remove executables from the folder INFRA_BINARIES. All projects of the user share this folder.

    A program that is running continues to run. NAME is a recipe; with --old or --downloads, NAME can be
    omitted. With --old, recipes that are not in a lock are kept, because they may belong to another project.

    \b
    Examples:
      infra bin remove memcached
      infra bin remove --old
    """
    from infra_runtime.binaries import installation

    if not names and not old and not downloads:
        raise click.UsageError("give the NAME of a recipe, or --old or --downloads")
    store, locks = project.store(), project.locks()
    installed = {entry.locked.recipe for entry in store.installed()}
    if unknown := set(names) - installed:
        raise click.UsageError(f"not installed: {', '.join(sorted(unknown))}")
    entries = [
        entry
        for entry in store.installed()
        if (entry.locked.recipe in names if names else old)
        and (not old or locks.get(entry.locked.recipe, entry.locked.platform) not in {None, entry.locked})
    ]
    documents = [document(entry) for entry in entries]
    for entry in entries:
        store.remove(entry)
    if downloads:
        installation.remove_downloads(store)
    if as_json:
        output.say_json({"folder": str(store.folder), "removed": documents})
        return
    for entry in entries:
        output.say(f"removed  {entry.locked.recipe} {entry.locked.version}  {size(entry.size)}")
    output.say(f"executables: {len(entries)} removed, {size(sum(entry.size for entry in entries))} freed")
