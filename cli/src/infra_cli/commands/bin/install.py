"""The command `infra bin install`, which downloads executables and installs them in the user's store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra_cli import output
from infra_cli.commands.bin._project import Project, entry_document, project
from infra_cli.download_display import progress_line

if TYPE_CHECKING:
    from infra_runtime.binaries.lockfile import Locked
    from infra_runtime.binaries.recipe import Recipe
    from infra_runtime.binaries.store import Installed


@click.command(short_help="Download executables and install them without root.")
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.option("--offline", is_flag=True, help="Use only files that are already downloaded, not the network.")
@click.option(
    "--from",
    "bundle",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Install from a file that `infra bin bundle` has written, without the network.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@project
def command(
    project: Project, *, names: tuple[str, ...], offline: bool, bundle: Path | None, as_json: bool
) -> None:
    """Download executables, verify them, and install them in the folder INFRA_BINARIES of this user.

    NAME is a recipe or a program; `infra bin list` prints all recipes. Without NAME, the command installs the
    missing programs of the stack of this directory; with --from and without NAME, it installs all programs of
    the file. The Python environment and the system are not changed, and root is not required. All projects of
    the user share the folder INFRA_BINARIES; its default is `binaries` in the user's cache. The size and the
    SHA-256 of each file must match the lock: `infra.lock` beside the stack file, or the lock of pytest-infra.
    If Debian's archive no longer has a package of the lock, the missing recipes from Debian are locked again
    and their changes are printed; this needs the network, so not with --offline and --from. The exit code is
    14 if an installation fails, and 15 if a file differs from the lock or is unsafe to unpack.

    \b
    Examples:
      infra bin install nats-server memcached
      infra bin install                           all executables for the stack of this directory
      infra bin install --from servers.bundle
    """
    from infra_runtime.binaries import bundle as bundles
    from infra_runtime.binaries import installation

    store = project.store()
    if bundle:
        requested = bundles.read(bundle, project.selected_and_needed(names), project.recipes(), store)
    else:
        requested = _requested(project, names)
    folders_before = {entry.folder for entry in store.installed()}
    with progress_line() as progress:
        if offline or bundle:
            entries = installation.install(requested, store, offline=True, progress=progress)
        else:
            entries = installation.install_or_renew(
                requested, store, project=project.root, report=output.note, progress=progress
            )
    if as_json:
        output.say_json({"folder": str(store.folder), "installed": [document(entry) for entry in entries]})
        return
    for entry in entries:
        state = "present  " if entry.folder in folders_before else "installed"
        output.say(f"{state}  {entry.locked.recipe} {entry.locked.version}  {entry.folder}")
    if not entries:
        output.say("the stack of this directory has no missing program")


def _requested(project: Project, names: tuple[str, ...]) -> list[tuple[Recipe, Locked]]:
    from infra_runtime.binaries import installation
    from infra_runtime.config import missing_executables
    from infra_runtime.config.resolve import resolve

    if not names:
        missing = missing_executables.missing(resolve(directory=project.root, executables=False))
        choices = missing_executables.installable(missing, project.root)
        return [(choice.recipe, choice.locked) for choice in choices]
    locks, platform = project.locks(), installation.current_platform()
    recipes = project.selected_and_needed(names)
    return [(recipe, installation.required(recipe, locks, platform)) for recipe in recipes]


def document(entry: Installed) -> dict[str, Any]:
    """Return the JSON data of an entry of the store."""
    programs = {name: str(entry.program(name)) for name in entry.programs}
    return {
        **entry_document(entry.locked),
        "bytes": entry.size,
        "folder": str(entry.folder),
        "method": entry.method() or "direct",
        "programs": programs,
    }
