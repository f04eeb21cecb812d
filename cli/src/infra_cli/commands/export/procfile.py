"""The command `infra export procfile`, which writes the stack for programs that read a Procfile."""

from __future__ import annotations

from pathlib import Path

import click

from infra_cli import exports
from infra_cli.exports import Export, export_options
from infra_cli.target import Target, target

FOLDER = "procfile"


@click.command(short_help="Write the stack as a Procfile.")
@export_options(FOLDER)
@target
def command(target: Target, export: Export) -> None:
    """Write the stack as a Procfile, for programs such as honcho.

    Each service is one line of the Procfile. A service starts when the services that it needs are ready. The
    process of a task keeps running after the task is complete, because these programs stop all processes when
    one process exits. The data of the services are in the folder `data` next to the Procfile. The lines
    contain the absolute paths of this machine, so .gitignore excludes the files.

    \b
    Example:
      infra export procfile && honcho -f procfile/Procfile start
    """
    from infra_runtime.engines.machine import Procfile

    resolved = target.resolve(*export.services, profile=export.profile, variables_required=False)
    folder = export.target_folder(Path(resolved.plan.root), FOLDER)
    engine = Procfile(folder=str(folder), binaries=resolved.binaries)
    with exports.checked([resolved]):
        files = engine.render(resolved.plan)
    start = f"honcho -f {exports.quoted(folder / 'Procfile')} start"
    exports.write(engine.name, export, folder, files, start=start)
