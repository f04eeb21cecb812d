"""The command `infra bin which`, which prints where an executable is and how it is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from infra_cli import output
from infra_cli.commands.bin._project import Project, project

if TYPE_CHECKING:
    from infra_runtime.binaries import Binary


@click.command(short_help="Print the path of an executable, and how it is started.")
@click.argument("program")
@click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON document: path, command line and variables."
)
@project
def command(project: Project, *, program: str, as_json: bool) -> None:
    """Print the path of an executable, as the services of a stack find it.

    The places are, in this order: the Python environment, PATH, known folders of the system, and the folder
    INFRA_BINARIES. The program of a Debian package is started by a script, which sets the folders of its
    libraries; the script has the pid of the program. The exit code is 5 if the program is missing.

    \b
    Example:
      infra bin which nats-server
    """
    from infra_runtime.binaries import locate, store

    binary = _binary(program)
    path = locate(binary, project=project.root)
    if not as_json:
        output.say(str(path))
        return
    entry = None
    if (folder := store.default_folder()) and path.is_relative_to(folder):
        entry = next(each for each in store.Store(folder).installed() if path.is_relative_to(each.folder))
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


def _binary(program: str) -> Binary:
    from infra_runtime import catalogue
    from infra_runtime.binaries import Binary

    entries = (catalogue.entry(name) for name in catalogue.names())
    known = {binary.name: binary for entry in entries for binary in entry.binaries}
    return known.get(program, Binary(name=program))
