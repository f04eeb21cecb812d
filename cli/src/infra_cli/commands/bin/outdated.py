"""The command `infra bin outdated`, which compares the lock with the registries."""

from __future__ import annotations

import click

from infra_cli import output
from infra_cli.commands.bin._project import Project, project


@click.command(short_help="Compare the lock with the newest versions of the registries.")
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@project
def command(project: Project, *, names: tuple[str, ...], as_json: bool) -> None:
    """Print the recipes for which a registry has other artefacts than the lock, for this platform.

    Without NAME, the command compares the recipes of this project that are installed. Nothing is changed:
    `infra bin lock` writes the new versions to infra.lock.

    \b
    Examples:
      infra bin outdated
      infra bin outdated memcached
    """
    from infra_runtime.binaries import installation, lockfile
    from infra_runtime.data_directory.leak_check import counted

    locks, platform = project.locks(), installation.current_platform()
    installed = dict.fromkeys(entry.locked.recipe for entry in project.store().installed())
    all_recipes = project.recipes()
    recipes = project.selected(names) or [all_recipes[name] for name in installed if name in all_recipes]
    rows, documents = [], []
    for recipe in recipes:
        locked, newest = locks.get(recipe.name, platform), installation.lock(recipe, platform)
        changes = lockfile.differences(locked, newest)
        if changes:
            rows.append(
                (
                    recipe.name,
                    locked.version if locked else "-",
                    newest.version,
                    counted(len(changes), "file"),
                )
            )
            documents.append(
                {
                    "name": recipe.name,
                    "locked": locked.version if locked else None,
                    "newest": newest.version,
                    "changes": changes,
                }
            )
    if as_json:
        output.say_json({"platform": platform, "outdated": documents})
        return
    for line in output.columns(rows, header=("NAME", "LOCKED", "NEWEST", "CHANGED")):
        output.say(line)
    if not rows:
        output.say(f"up to date: {counted(len(recipes), 'recipe')}")
