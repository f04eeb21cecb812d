"""The command `infra bin licences`, which prints the licences of installed executables."""

from __future__ import annotations

import click

from infra_cli import output
from infra_cli.commands.bin._project import Project, project


@click.command(short_help="Print the licences of the installed executables.")
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.option("--texts", is_flag=True, help="Print the paths of the licence texts, too.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@project
def command(project: Project, *, names: tuple[str, ...], texts: bool, as_json: bool) -> None:
    """Print the licence of each installed executable. The licence texts are in the folder of the program.

    NAME is a recipe or a program. The licence is an SPDX expression. The recipes of pytest-infra never
    download programs under AGPL, SSPL, RSAL, BUSL and similar licences.

    \b
    Examples:
      infra bin licences
      infra bin licences memcached --texts
    """
    from infra_runtime.data_directory.leak_check import counted

    store, entries = project.store(), project.installed(names)
    paths = {entry.folder: sorted(map(str, (entry.folder / "licences").glob("*"))) for entry in entries}
    if as_json:
        documents = [
            {
                "name": entry.locked.recipe,
                "version": entry.locked.version,
                "licence": entry.locked.licence,
                "texts": paths[entry.folder],
            }
            for entry in entries
        ]
        output.say_json({"installed": documents})
        return
    if not entries:
        output.say(f"{store.folder}: no executable is installed")
    for entry in entries:
        number = len(paths[entry.folder])
        text = counted(number, "text")
        output.say(f"{entry.locked.recipe} {entry.locked.version}  {entry.locked.licence}  ({text})")
        for path in paths[entry.folder] if texts else ():
            output.say(f"  {path}")
