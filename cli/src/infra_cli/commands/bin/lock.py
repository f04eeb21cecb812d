"""The command `infra bin lock`, which writes versions, sizes and hashes to the lock of the project."""

from __future__ import annotations

from pathlib import Path

import click

from infra_cli import output
from infra_cli.commands.bin._project import Project, entry_document, project


@click.command(short_help="Write versions, sizes and hashes to infra.lock.")
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.option(
    "--platform", "platforms", multiple=True, metavar="PLATFORM",
    help=(
        "Lock for this platform, such as linux-aarch64; can be repeated. [default: the platforms of the "
        "recipe in the lock file, or this machine]"
    ),
)  # fmt: skip
@click.option(
    "--output",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The lock file.  [default: infra.lock beside the stack file]",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@project
def command(
    project: Project, *, names: tuple[str, ...], platforms: tuple[str, ...], file: Path | None, as_json: bool
) -> None:
    """Write the versions and hashes of the newest artefacts of recipes to infra.lock.

    Without NAME, the command locks the recipes that infra.lock already contains, and the recipes of the stack
    file. The versions in infra.lock take precedence over the versions in the lock of pytest-infra. The file
    contains no addresses of registries: these addresses come from the configuration of pip, apt, Maven, Go
    and npm. Commit the file, so that all machines of the project use the same executables. If no source of
    a recipe answers with an artefact for the platform, the exit code is 14, and nothing is written.

    \b
    Examples:
      infra bin lock
      infra bin lock memcached --platform linux-x86_64 --platform linux-aarch64
    """
    from infra_runtime.binaries import installation, lockfile
    from infra_runtime.data_directory.leak_check import counted

    path = file or project.root / lockfile.NAME
    old_lock = lockfile.read(path)
    selected_names = dict.fromkeys(
        [*names]
        or [*(name for name, _ in old_lock.entries), *(recipe.name for recipe in project.own_recipes)]
    )
    if not selected_names:
        raise click.UsageError(f"{path} contains no recipe yet: give the names of recipes to lock")
    changes, entries = [], []
    for recipe in project.selected([*selected_names]):
        for platform in platforms or old_lock.platforms(recipe.name) or [installation.current_platform()]:
            entry = installation.lock(recipe, platform)
            lines = lockfile.differences(old_lock.get(recipe.name, platform), entry)
            changes.append({**entry_document(entry), "changes": lines})
            entries.append(entry)
            if not as_json:
                output.say(f"{recipe.name} {entry.version} ({platform}): {counted(len(lines), 'change')}")
                for line in lines:
                    output.say(f"  {line}")
    lockfile.update(path, entries)
    if as_json:
        output.say_json({"file": str(path), "recipes": changes})
