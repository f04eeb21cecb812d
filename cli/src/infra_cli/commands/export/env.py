"""The command `infra export env`, which writes the addresses of a stack as environment variables."""

from __future__ import annotations

from pathlib import Path

import click

from infra_cli import exports
from infra_cli.exports import Export, export_options
from infra_cli.target import Target, target

FOLDER = "env"


@click.command(short_help="Write the addresses of the stack as a file of environment variables.")
@export_options(FOLDER)
@target
def command(target: Target, export: Export) -> None:
    """Write the addresses of the stack's services as a file of environment variables.

    The variables have the names that `infra runtime exec` sets, such as DATABASE_URL. An export that is a
    path on the machine of the stack is left out; a comment contains its name. The file contains no secret: a
    value with a secret refers to a variable such as POSTGRES_PASSWORD, which you set before you use the file.
    A shell can read the file. The environment `test` has no fixed ports, so it cannot be exported.

    \b
    Example:
      infra export env && set -a && . env/development.env
    """
    from infra_runtime.engines.machine import EnvironmentFile

    resolved = target.resolve(
        *export.services, profile=export.profile, executables=False, variables_required=False
    )
    folder = export.target_folder(Path(resolved.plan.root), FOLDER)
    engine = EnvironmentFile()
    with exports.checked([resolved]):
        files = engine.render(resolved.plan)
    exports.write(engine.name, export, folder, files, complete=False)
