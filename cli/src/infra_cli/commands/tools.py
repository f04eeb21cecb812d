"""The command `infra tools`, which runs a tool, such as a client of a server, in the stack's environment."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from infra_cli import output
from infra_cli.target import Target, target
from infra_runtime.errors import BinaryMissingError, NoStackError, nearest

if TYPE_CHECKING:
    from infra_cli.commands.bin._project import Project
    from infra_runtime.binaries.recipe import Recipe

#: the subcommand `infra tools dep`, which is the same as `infra bin`, and the name of the group `bin`
_ALIAS, _GROUP = "dep", "bin"


class Tool(click.Command):
    """A command that passes all its arguments to a tool, including `--help` and `--`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Store the arguments in the context without parsing them."""
        ctx.args = args
        return []


class Tools(click.Group):
    """A group whose commands are the programs of the recipes."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return no names, because the help does not contain the names of the tools."""
        return []

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command that runs a tool; for `dep`, return the group `infra bin`."""
        root = ctx.find_root().command
        if cmd_name == _ALIAS and isinstance(root, click.Group):
            return root.get_command(ctx, _GROUP)
        return Tool(cmd_name, callback=functools.partial(_run, cmd_name))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the names of the tools that begin with the string `incomplete`."""
        names = sorted((_ALIAS, *_programs(_project(ctx.params["directory"]).recipes())))
        tools = [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return [*tools, *super().shell_complete(ctx, incomplete)]


@click.command(
    cls=Tools,
    invoke_without_command=True,
    subcommand_metavar="[NAME [ARGUMENTS]…]",
    short_help="Run a tool, such as psql or nats, with the addresses of the stack.",
)
@click.option("--json", "as_json", is_flag=True, help="Without NAME: print the tools as a JSON document.")
@target
def command(target: Target, *, as_json: bool) -> None:
    """Run a tool, such as psql, nats, valkey-cli or promtool, with the addresses of the running stack.

    The tools are the programs of the recipes that `infra bin list` prints. Without NAME, the command lists
    the tools and where they are installed. A tool is searched for in the same places as the executables of
    services: the Python environment, PATH, known folders of the system, and the folder INFRA_BINARIES. If the
    tool is missing, the error contains the command that installs it, and the exit code is 5.

    The tool gets the environment variables of `infra config env --reveal`, which many tools read (PGHOST,
    NATS_URL, …), and INFRA_ENV and INFRA_DATA. Without a running stack, the tool gets the variables of the
    user. All arguments after NAME belong to the tool, also options such as --help. The tool replaces the
    process of `infra`, so the exit code is the exit code of the tool, and signals reach the tool.

    The commands of `infra tools dep` are the commands of `infra bin`.

    \b
    Examples:
      infra tools
      infra tools psql -c 'select 1'
      infra tools --env test promtool check config prometheus.yml
      infra tools dep install mosquitto-clients
    """
    context = click.get_current_context()
    if context.invoked_subcommand is None:
        _list(target, as_json=as_json)
    context.obj = target


def _run(name: str) -> int:
    """Replace this process by a tool; raise an error if the tool is unknown or missing."""
    from infra_cli.commands.runtime.exec import replace_process

    context = click.get_current_context()
    selected: Target = context.obj
    project = _project(selected.directory)
    recipes = project.recipes()
    programs = _programs(recipes)
    if name not in programs:
        message = f"unknown tool {name!r}{nearest(name, [*programs, _ALIAS])}"
        raise click.UsageError(message, context.parent)
    try:
        path = _locate(name, recipes, project.root)
    except BinaryMissingError as error:
        install = f"`infra bin install {programs[name].name}`"
        if install not in error.hint:
            error.hint = f"{error.hint.removesuffix('.')}, or run {install}."
        raise
    return replace_process((str(path), *context.args), _environment(selected))


def _environment(selected: Target) -> Mapping[str, str]:
    """Return the environment of a tool, with the addresses of the stack if the stack is running."""
    from infra_cli.commands.runtime.exec import stack_environment
    from infra_runtime.messages import ENDPOINTS, STATUS, Nothing

    try:
        with selected.client() as client:
            endpoints = client.call(ENDPOINTS, Nothing()).services
            return stack_environment(os.environ, endpoints, client.call(STATUS, Nothing()))
    except NoStackError:
        return os.environ


def _list(selected: Target, *, as_json: bool) -> None:
    """Print each tool with its path, or with the command that installs it."""
    project = _project(selected.directory)
    recipes = project.recipes()
    documents = [
        {"name": name, "path": _path(name, recipes, project.root), "recipe": recipe.name}
        for name, recipe in sorted(_programs(recipes).items())
    ]
    if as_json:
        output.say_json({"tools": documents})
        return
    rows = [
        (document["name"] or "", document["path"] or f"missing: infra bin install {document['recipe']}")
        for document in documents
    ]
    for line in output.columns(rows, header=("NAME", "PROGRAM")):
        output.say(line)


def _path(name: str, recipes: Mapping[str, Recipe], folder: Path) -> str | None:
    try:
        return str(_locate(name, recipes, folder))
    except BinaryMissingError:
        return None


def _locate(name: str, recipes: Mapping[str, Recipe], folder: Path) -> Path:
    """Return the path of a tool for the project in a folder. Raises `BinaryMissingError`."""
    from infra_cli.programs import binary
    from infra_runtime.binaries import locate

    return locate(binary(name, recipes), project=folder)


def _project(directory: Path | None) -> Project:
    from infra_cli.commands.bin._project import project_of

    return project_of(directory)


def _programs(recipes: Mapping[str, Recipe]) -> dict[str, Recipe]:
    """Return a mapping from program to the recipe that installs it for a service without a version."""
    from infra_runtime.binaries.recipes import providing

    programs = dict.fromkeys(program for recipe in recipes.values() for program in recipe.programs)
    return {program: recipe for program in programs if (recipe := providing(program, recipes.values()))}
