"""The command `infra bin list`, which lists the recipes and the installed executables."""

from __future__ import annotations

import click

from infra_cli import output
from infra_cli.commands.bin._project import Project, project
from infra_cli.commands.bin.install import document
from infra_cli.commands.cache.list import size


@click.command(short_help="List the executables that can be installed, and the installed ones.")
@click.option("--installed", "only_installed", is_flag=True, help="List only the recipes that are installed.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@project
def command(project: Project, *, only_installed: bool, as_json: bool) -> None:
    """List the recipes: version and size for this platform, licence, source, and the installed version.

    The version comes from the lock: `infra.lock` beside the stack file, or the lock of pytest-infra. A recipe
    without a version cannot be installed on this platform, or is not locked yet.

    \b
    Examples:
      infra bin list
      infra bin list --installed --json
    """
    from infra_runtime.binaries import installation

    store, locks, platform = project.store(), project.locks(), installation.current_platform()
    installed = store.installed()
    rows, documents = [], []
    for name, recipe in sorted(project.recipes().items()):
        locked = locks.get(name, platform)
        recipe_entries = [entry for entry in installed if entry.locked.recipe == name]
        if only_installed and not recipe_entries:
            continue
        versions = ", ".join(entry.locked.version for entry in recipe_entries)
        rows.append(
            (
                name,
                locked.version if locked else "-",
                size(locked.size) if locked else "-",
                recipe.licence,
                locked.source if locked else "-",
                versions or "-",
                recipe.summary,
            )
        )
        documents.append(
            {
                "name": name,
                "summary": recipe.summary,
                "programs": [*recipe.programs],
                "licence": recipe.licence,
                "homepage": recipe.homepage,
                "version": locked.version if locked else None,
                "bytes": locked.size if locked else None,
                "source": locked.source if locked else None,
                "installed": [document(entry) for entry in recipe_entries],
            }
        )
    if as_json:
        output.say_json({"folder": str(store.folder), "platform": platform, "recipes": documents})
        return
    output.say(f"{store.folder}: {size(sum(entry.size for entry in installed))}")
    header = ("NAME", "VERSION", "DOWNLOAD", "LICENCE", "SOURCE", "INSTALLED", "DESCRIPTION")
    for line in output.columns(rows, header=header):
        output.say(line)
