"""The command `infra export compose`, which writes the stack as files for Docker Compose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra_cli import output
from infra_cli.completion import complete_services
from infra_cli.profiles import PROFILES
from infra_cli.target import Target, target
from infra_runtime.errors import ConfigurationError, ExportError
from infra_runtime.manifest import ENVIRONMENTS

if TYPE_CHECKING:
    from infra_runtime.config.resolve import Resolved

FOLDER = "compose"


@click.command(short_help="Write the stack as files for Docker Compose.")
@click.argument("services", nargs=-1, metavar="[SERVICE…]", shell_complete=complete_services)
@click.option(
    "--profile",
    help=f"Export only the services of a profile: {PROFILES}, or one of the stack file.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder in which the files are written. [default: compose, beside the stack file]",
)
@click.option(
    "--check",
    is_flag=True,
    help="Do not write files; exit with 13 if a file would change. This option is for CI.",
)
@click.option("--force", is_flag=True, help="Also overwrite files that this command did not generate.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@target
def command(
    target: Target,
    *,
    services: tuple[str, ...],
    profile: str | None,
    folder: Path | None,
    check: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write the stack as files for Docker Compose.

    `compose.yaml` contains the settings that all environments share. `compose.ENVIRONMENT.yaml` contains the
    settings that differ in an environment. With --env, the command writes only one file, which is complete
    for this environment. Each password is stored in a file in the folder `secrets`. Missing password files
    are created with random content, and the file .gitignore excludes the password files from the repository.
    For your own services, the table `container` in the stack file contains an image or a Dockerfile; without
    this table, a Dockerfile is generated. A setting that Compose cannot express is an error with the line of
    the stack file.

    \b
    Examples:
      infra export compose
      infra export compose --env production --output deploy
      infra export compose --check             in CI: check whether the committed files are up to date
    """
    from infra_runtime.engines.compose import output as files_on_disk
    from infra_runtime.engines.compose.project import check_secrets, engine_for, located

    if check and force:
        raise click.UsageError("--check cannot be used with --force, because --check does not write files.")
    environments = (target.environment,) if target.environment else ENVIRONMENTS
    stacks = [
        target.within(environment).resolve(
            *services, profile=profile, executables=False, variables_required=False
        )
        for environment in environments
    ]
    root = Path(stacks[0].plan.root)
    target_folder = (folder or root / FOLDER).absolute()
    engine = engine_for(root, target_folder)
    plans = [resolved.plan for resolved in stacks]
    try:
        check_secrets(stacks)
        files = engine.render_environments(plans)
    except ConfigurationError as error:
        raise located(error, stacks) from None
    if check:
        changes, made = files_on_disk.changes(target_folder, files), []
    else:
        changes = files_on_disk.write(target_folder, files, force=force)
        made = files_on_disk.make_secrets(target_folder, engine.secrets(plans))
    notes = engine.notes(plans)
    if as_json:
        states = [{"path": change.path, "state": change.state} for change in changes]
        output.say_json({"folder": str(target_folder), "files": states, "secrets": made, "notes": notes})
    else:
        removed = "stale" if check else "removed"
        rows = [(removed if change.state == "stale" else change.state, change.path) for change in changes]
        _print(target_folder, rows, made, notes)
    if check and (outdated := [change.path for change in changes if change.state != "unchanged"]):
        problem = f"these files are not up to date: {', '.join(outdated)}"
        raise ExportError(str(target_folder), problem, "Run `infra export compose` to update them.")
    if not check and not as_json:
        output.say(f"Start the exported stack with `{_start(target_folder, stacks)}`.")


def _print(
    folder: Path, changes: Sequence[tuple[str, str]], made: Sequence[str], notes: Sequence[str]
) -> None:
    rows = [(state, str(_shown(folder / path))) for state, path in changes]
    rows += [("made", str(_shown(folder / "secrets" / name))) for name in made]
    for line in output.columns(rows):
        output.say(line)
    for note in notes:
        output.note(note)


def _start(folder: Path, stacks: Sequence[Resolved]) -> str:
    files = ["compose.yaml", *([f"compose.{stacks[0].environment}.yaml"] if len(stacks) > 1 else [])]
    return " ".join(["docker compose", *(f"-f {_shown(folder / file)}" for file in files), "up --detach"])


def _shown(path: Path) -> Path:
    """Return a path for output: relative if it is below the working directory, otherwise unchanged."""
    cwd = Path.cwd()
    return path.relative_to(cwd) if path.is_relative_to(cwd) else path
