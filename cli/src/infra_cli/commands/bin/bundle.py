"""The command `infra bin bundle`, which writes the files of executables to one archive."""

from __future__ import annotations

from pathlib import Path

import click

from infra_cli import output
from infra_cli.commands.bin._project import Project, entry_document, project
from infra_cli.commands.cache.list import size
from infra_cli.download_display import progress_line


@click.command(short_help="Write executables to one file, for machines without network.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.option("--platform", metavar="PLATFORM", help="The platform of the machine.  [default: this machine]")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@project
def command(
    project: Project, *, file: Path, names: tuple[str, ...], platform: str | None, as_json: bool
) -> None:
    """Download the files of executables, and write them with their lock to one archive.

    On another machine, `infra bin install --from FILE` installs the executables without network. NAME is a
    recipe or a program; without NAME, the archive contains the executables of the stack of this directory.
    The archive does not contain executables without a recipe. If a program is built from Go modules,
    the archive contains the built program, so that the other machine does not need Go.

    \b
    Examples:
      infra bin bundle servers.bundle nats-server memcached
      infra bin bundle servers.bundle --platform linux-aarch64
    """
    from infra_runtime.binaries import bundle, installation
    from infra_runtime.binaries.recipes import with_needed
    from infra_runtime.config import missing_executables
    from infra_runtime.config.resolve import resolve

    locks, target = project.locks(), platform or installation.current_platform()
    recipes = project.selected_and_needed(names)
    if not recipes:
        used = missing_executables.used(resolve(directory=project.root, executables=False))
        recipes_of_project = project.recipes().values()
        recipes = with_needed(missing_executables.providing(used, recipes_of_project), project.own_recipes)
    entries = [installation.required(recipe, locks, target) for recipe in recipes]
    if not entries:
        raise click.UsageError("the stack of this directory uses no executable with a recipe; give a NAME")
    with progress_line() as progress:
        bundle.write(file, entries, project.store(), known=project.recipes(), progress=progress)
    if as_json:
        documents = [entry_document(entry) for entry in entries]
        output.say_json({"file": str(file), "bytes": file.stat().st_size, "recipes": documents})
        return
    for entry in entries:
        output.say(f"added  {entry.recipe} {entry.version}  {size(entry.size)}")
    output.say(f"{file}: {size(file.stat().st_size)}")
