"""The command `infra bin verify`, which finds changed files of installed executables."""

from __future__ import annotations

import click

from infra_cli import output
from infra_cli.commands.bin._project import Project, project
from infra_runtime.errors import IntegrityError


@click.command(short_help="Compare installed executables with the checksums of their installation.")
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@project
def command(project: Project, *, names: tuple[str, ...], as_json: bool) -> None:
    """Read all files of installed executables, and compare them with the checksums of their installation.

    NAME is a recipe or a program. Without NAME, everything in the folder INFRA_BINARIES is compared. The exit
    code is 15 if a file has changed, is missing or was added; `infra bin remove NAME` and `infra bin install
    NAME` replace the files.

    \b
    Examples:
      infra bin verify
      infra bin verify memcached --json
    """
    store = project.store()
    entries = project.installed(names)
    damage = {entry.folder: entry.damage() for entry in entries}
    if as_json:
        documents = [
            {
                "name": entry.locked.recipe,
                "version": entry.locked.version,
                "folder": str(entry.folder),
                "changed": damage[entry.folder],
            }
            for entry in entries
        ]
        output.say_json({"folder": str(store.folder), "installed": documents})
    else:
        if not entries:
            output.say(f"{store.folder}: no executable is installed")
        for entry in entries:
            state = "changed" if damage[entry.folder] else "ok     "
            output.say(f"{state}  {entry.locked.recipe} {entry.locked.version}  {entry.folder}")
            for path in damage[entry.folder]:
                output.say(f"         {path}")
    if changed := [entry.locked.recipe for entry in entries if damage[entry.folder]]:
        names_text = " ".join(changed)
        hint = f"Run `infra bin remove {names_text}` and `infra bin install {names_text}`."
        raise IntegrityError(names_text, "installed files have changed", hint)
