"""The program `infra`, which runs a command and reports errors with a message, a hint and an exit code.

A command is a module with the attribute `command`, listed in `COMMANDS`. The module of a command is imported
only when the command is used or the help of its group is printed, and the command imports slow modules only
when it runs, so that commands such as `infra runtime status` are fast.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from infra_cli import output, usage_errors
from infra_openapi.errors import OpenApiError
from infra_runtime import __version__
from infra_runtime.errors import InfraError

#: group → command → module, in the order of the documentation
COMMANDS: Mapping[str, Mapping[str, str]] = {
    "runtime": {
        "up": "infra_cli.commands.runtime.up",
        "down": "infra_cli.commands.runtime.down",
        "status": "infra_cli.commands.runtime.status",
        "list": "infra_cli.commands.runtime.list",
        "logs": "infra_cli.commands.runtime.logs",
        "start": "infra_cli.commands.runtime.start",
        "stop": "infra_cli.commands.runtime.stop",
        "restart": "infra_cli.commands.runtime.restart",
        "open": "infra_cli.commands.runtime.open",
        "wait": "infra_cli.commands.runtime.wait",
        "exec": "infra_cli.commands.runtime.exec",
        "plan": "infra_cli.commands.runtime.plan",
        "events": "infra_cli.commands.runtime.events",
        "analyze": "infra_cli.commands.runtime.analyze",
        "snapshot": "infra_cli.commands.runtime.snapshot",
        "container": "infra_cli.commands.runtime.container",
    },
    "config": {
        "show": "infra_cli.commands.config.show",
        "validate": "infra_cli.commands.config.validate",
        "env": "infra_cli.commands.config.env",
    },
    "bin": {
        "list": "infra_cli.commands.bin.list",
        "install": "infra_cli.commands.bin.install",
        "which": "infra_cli.commands.bin.which",
        "verify": "infra_cli.commands.bin.verify",
        "remove": "infra_cli.commands.bin.remove",
        "lock": "infra_cli.commands.bin.lock",
        "outdated": "infra_cli.commands.bin.outdated",
        "bundle": "infra_cli.commands.bin.bundle",
        "licences": "infra_cli.commands.bin.licences",
    },
    "cache": {
        "list": "infra_cli.commands.cache.list",
        "verify": "infra_cli.commands.cache.verify",
        "clean": "infra_cli.commands.cache.clean",
    },
    "export": {
        "compose": "infra_cli.commands.export.compose",
        "kubernetes": "infra_cli.commands.export.kubernetes",
        "systemd": "infra_cli.commands.export.systemd",
        "procfile": "infra_cli.commands.export.procfile",
        "env": "infra_cli.commands.export.env",
    },
    "workflows": {
        "build": "infra_cli.commands.workflows.build",
        "deploy": "infra_cli.commands.workflows.deploy",
        "status": "infra_cli.commands.workflows.status",
        "logs": "infra_cli.commands.workflows.logs",
        "scale": "infra_cli.commands.workflows.scale",
        "rollout": "infra_cli.commands.workflows.rollout",
        "delete": "infra_cli.commands.workflows.delete",
    },
    "dev": {
        "doctor": "infra_cli.commands.dev.doctor",
        "failure-report": "infra_cli.commands.dev.failure_report",
        "api-check": "infra_cli.commands.dev.api_check",
        "api-snapshot": "infra_cli.commands.dev.api_snapshot",
        "jwt": "infra_cli.commands.dev.jwt",
        "audit": "infra_cli.commands.dev.audit",
    },
}
#: group → former name of a command → its name; former names are not listed
ALIASES: Mapping[str, Mapping[str, str]] = {"dev": {"capsule": "failure-report"}}
GROUPS = {
    "runtime": "Start, inspect and stop the stack of this directory.",
    "config": "Show and check the configuration of the stack.",
    "bin": "Install the executables of services, without root and without Docker.",
    "cache": "Inspect and clean the prepared data that all stacks of a user share.",
    "export": "Write the stack as files for other programs, such as Docker Compose.",
    "workflows": "Build images of your own services, and deploy the stack to a cluster.",
    "dev": "Check the machine, failure reports of tests, OpenAPI documents, tokens and audit logs.",
}
#: command outside of the groups → module
SINGLE_COMMANDS: Mapping[str, str] = {"tools": "infra_cli.commands.tools"}
#: command → its full name; if several groups have the command, the full name in the first of these groups
PATHS = {
    **{name: f"infra {name}" for name in SINGLE_COMMANDS},
    **{
        name: f"infra {group} {name}"
        for group, commands in reversed(list(COMMANDS.items()))
        for name in commands
    },
}
#: The exit codes that a shell uses for a program that SIGINT or SIGPIPE has ended.
INTERRUPTED, BROKEN_PIPE = 130, 141


def _debug(context: click.Context, _parameter: click.Parameter, on: bool) -> None:
    if on:
        context.find_root().meta[__name__] = True


DEBUG = click.Option(
    ["--debug"],
    is_flag=True,
    expose_value=False,
    callback=_debug,
    help="Print the Python traceback of an error.",
)


def _with_debug(command: click.Command) -> click.Command:
    """Add the option `--debug` to the command and all its subcommands, and return the command."""
    if DEBUG not in command.params:
        command.params.append(DEBUG)
        for subcommand in command.commands.values() if isinstance(command, click.Group) else ():
            _with_debug(subcommand)
    return command


class Root(usage_errors.Group):
    """The command `infra`, which reports the errors of all commands."""

    all_commands = PATHS

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the command groups and of the commands outside of the groups."""
        return [*COMMANDS, *SINGLE_COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a group, or import and return a command outside of the groups."""
        if module := SINGLE_COMMANDS.get(cmd_name):
            return _with_debug(importlib.import_module(module).command)
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the requested command; print an `InfraError` or `OpenApiError`, and exit with its exit code."""
        try:
            code = super().invoke(ctx)
            output.flush()
        except (InfraError, OpenApiError) as error:
            if __name__ in ctx.meta:
                import traceback

                traceback.print_exc()
            output.print_error(error)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            ctx.exit(BROKEN_PIPE)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            output.print_error(InfraError(f"the output could not be written: {error.strerror}"))
            ctx.exit(InfraError.exit_code)
        return code


class Commands(usage_errors.Group):
    """A group whose commands are imported when they are used."""

    all_commands = PATHS

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the group's commands, in the order of `COMMANDS`."""
        return list(COMMANDS[self.name or ""])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """Import and return the command with this name, with the additional option `--debug`."""
        group = self.name or ""
        module = COMMANDS[group].get(ALIASES.get(group, {}).get(cmd_name, cmd_name))
        if module is None:
            return None
        return _with_debug(importlib.import_module(module).command)


@click.group(
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `infra runtime up`. Add --help to a command to print its description.",
)
@click.version_option(__version__, prog_name="infra")
def infra() -> None:
    """Real infrastructure for tests and for local development, without containers."""


for _name in COMMANDS:
    infra.add_command(Commands(name=_name, help=GROUPS[_name]))


def main() -> None:
    """Run `infra` with the arguments of the process, and exit with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run `infra` with these arguments, and return its exit code."""
    _open_standard_streams()
    try:
        code = infra.main(list(arguments), prog_name="infra", standalone_mode=False)
    except click.UsageError as error:
        usage_errors.report(error)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        code = BROKEN_PIPE
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    try:
        output.flush()
    except BrokenPipeError:
        code = BROKEN_PIPE
    except OSError:  # the error is already printed, and the rest of the output cannot be written
        code = code or InfraError.exit_code
        _discard_output()
    if code == BROKEN_PIPE:
        _discard_output()
    return code if isinstance(code, int) else 0


def _open_standard_streams() -> None:
    """Open the null device for each closed standard stream.

    Otherwise the next file or socket would get the file descriptor of the stream, and `infra` would write its
    output to this file or socket.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open until exit


def _discard_output() -> None:
    """Redirect standard output to the null device, so that the flush at exit does not fail.

    Source: Python documentation, "Note on SIGPIPE".
    """
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
