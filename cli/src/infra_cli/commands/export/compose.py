"""The command `infra export compose`, which writes the stack as files for Docker Compose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra_cli import exports
from infra_cli.exports import Export, export_options
from infra_cli.target import Target, target_in
from infra_runtime.manifest import ENVIRONMENTS

if TYPE_CHECKING:
    from infra_runtime.config.resolve import Resolved

FOLDER = "compose"


@click.command(short_help="Write the stack as files for Docker Compose.")
@export_options(FOLDER)
@target_in("The only environment to export. [default: all environments]")
def command(target: Target, export: Export) -> None:
    """Write the stack as files for Docker Compose.

    `compose.yaml` contains the settings that all environments share. `compose.ENVIRONMENT.yaml` contains the
    settings that differ in an environment. With --env, the command writes only compose.yaml, which is
    complete for this environment. Each password is stored in a file in the folder `secrets`. Missing password
    files are created with random content, and the file .gitignore excludes the password files from the
    repository. For your own services, the table `container` in the stack file contains an image or a
    Dockerfile; without this table, a Dockerfile is generated. A setting that Compose cannot express is an
    error with the line of the stack file.

    \b
    Examples:
      infra export compose
      infra export compose --env production --output deploy
      infra export compose --check             in CI: check whether the committed files are up to date
    """
    from infra_runtime.engines.compose.project import engine_for

    stacks = exports.resolve_environments(target, export, ENVIRONMENTS)
    root = Path(stacks[0].plan.root)
    folder = export.target_folder(root, FOLDER)
    engine = engine_for(root, folder)
    plans = [resolved.plan for resolved in stacks]
    with exports.checked(stacks):
        files = engine.render_environments(plans)
    exports.write(
        "compose",
        export,
        folder,
        files,
        secrets=engine.secrets(plans),
        notes=engine.notes(plans),
        start=_start(folder, stacks),
    )


def _start(folder: Path, stacks: Sequence[Resolved]) -> str:
    files = ["compose.yaml", *([f"compose.{stacks[0].environment}.yaml"] if len(stacks) > 1 else [])]
    options = [f"-f {exports.quoted(folder / file)}" for file in files]
    return " ".join(["docker compose", *options, "up --detach"])
