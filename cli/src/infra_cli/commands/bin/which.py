"""The command `infra bin which`, which prints where an executable is and how it is started."""

from __future__ import annotations

import click

from infra_cli import output
from infra_cli.commands.bin._project import Project, project


@click.command(short_help="Print the path of an executable, and how it is started.")
@click.argument("program")
@click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON document: path, command line and variables."
)
@project
def command(project: Project, *, program: str, as_json: bool) -> None:
    """Print the path of the executable that the services of a stack use by default.

    A service with the setting `binary`, or PostgreSQL with the setting `version`, can use another executable.

    The command searches these places, in this order: the Python environment, PATH, known folders of the
    system, and the folder INFRA_BINARIES. The path of a program from a Debian package is the path of a
    script. The script sets the folders of the program's libraries, and then replaces itself by the program.
    The exit code is 5 if the program is missing.

    \b
    Example:
      infra bin which nats-server
    """
    from infra_cli.programs import binary
    from infra_runtime.binaries import locate, lockfile, store

    if not lockfile.RECIPE_NAME.fullmatch(program):
        raise click.UsageError(f"{program!r} cannot be the name of a program")
    path = locate(binary(program, project.recipes()), project=project.root)
    if not as_json:
        output.say(str(path))
        return
    entry = None
    if (folder := store.default_folder()) and path.is_relative_to(folder):
        entry = next(
            installed
            for installed in store.Store(folder).installed()
            if path.is_relative_to(installed.folder)
        )
    launch = entry.launch_of(program) if entry else None
    output.say_json(
        {
            "path": str(path),
            "argv": list(launch.argv) if launch else [str(path)],
            "env": dict(launch.env) if launch else {},
            "root": launch.root if launch else None,
            "method": (entry.method() or "direct") if entry else "direct",
        }
    )
