"""`infra`: finds the command, and turns what goes wrong into a message, a hint and an exit code.

A command is a module with a `command`, named in `COMMANDS`. It is imported when it is asked for, and imports
what is dear when it runs: `infra runtime status` should answer at once.
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

from infra_cli import output, usage
from infra_openapi.errors import OpenApiError
from infra_runtime import __version__
from infra_runtime.errors import InfraError

#: group → command → the module that has it as `command`; in the order in which people meet them
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
        "wait": "infra_cli.commands.runtime.wait",
        "exec": "infra_cli.commands.runtime.exec",
        "plan": "infra_cli.commands.runtime.plan",
        "events": "infra_cli.commands.runtime.events",
        "analyze": "infra_cli.commands.runtime.analyze",
        "snapshot": "infra_cli.commands.runtime.snapshot",
    },
    "config": {
        "show": "infra_cli.commands.config.show",
        "validate": "infra_cli.commands.config.validate",
        "env": "infra_cli.commands.config.env",
    },
    "export": {
        "compose": "infra_cli.commands.export.compose",
    },
    "dev": {
        "doctor": "infra_cli.commands.dev.doctor",
        "capsule": "infra_cli.commands.dev.capsule",
        "api-check": "infra_cli.commands.dev.api_check",
        "api-snapshot": "infra_cli.commands.dev.api_snapshot",
    },
}
GROUPS = {
    "runtime": "Start, watch and stop the stack of this directory.",
    "config": "What the stack is made of, and where each value came from.",
    "export": "Write the stack as files for another engine.",
    "dev": "Tools for those who develop with the stack.",
}
#: command → all that has to be typed for it
PATHS = {name: f"infra {group} {name}" for group, commands in COMMANDS.items() for name in commands}
#: what a shell reports for a program that SIGINT or SIGPIPE ended
INTERRUPTED, NOBODY_READS = 130, 141


def _debug(context: click.Context, _parameter: click.Parameter, on: bool) -> None:
    if on:
        context.find_root().meta[__name__] = True


DEBUG = click.Option(
    ["--debug"], is_flag=True, expose_value=False, callback=_debug, help="Show an error's traceback."
)


def _with_debug(command: click.Command) -> click.Command:
    """The command; it and all below it take `--debug`."""
    if DEBUG not in command.params:
        command.params.append(DEBUG)
        for below in command.commands.values() if isinstance(command, click.Group) else ():
            _with_debug(below)
    return command


class Root(usage.Group):
    """`infra` itself: every error passes here."""

    elsewhere = PATHS

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The groups, in the order of the table."""
        return list(COMMANDS)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and end with the exit code of what went wrong."""
        try:
            code = super().invoke(ctx)
            output.flush()
        except (InfraError, OpenApiError) as error:
            if __name__ in ctx.meta:
                import traceback

                traceback.print_exc()
            output.complain(error)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            ctx.exit(NOBODY_READS)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            output.complain(InfraError(f"the output could not be written: {error.strerror}"))
            ctx.exit(InfraError.exit_code)
        return code


class Commands(usage.Group):
    """A group whose commands are imported when they are asked for."""

    elsewhere = PATHS

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order of the table."""
        return list(COMMANDS[self.name or ""])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """The command of that name; every one takes `--debug`."""
        module = COMMANDS[self.name or ""].get(cmd_name)
        if module is None:
            return None
        return _with_debug(importlib.import_module(module).command)


@click.group(
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with `infra runtime up`. Every command explains itself with --help.",
)
@click.version_option(__version__, prog_name="infra")
def infra() -> None:
    """Real infrastructure for tests and for local development, without containers."""


for _name in COMMANDS:
    infra.add_command(Commands(name=_name, help=GROUPS[_name]))


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run `infra` with these arguments, and return its exit code."""
    _open_standard_streams()
    try:
        code = infra.main(list(arguments), prog_name="infra", standalone_mode=False)
    except click.UsageError as error:
        usage.complain(error)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        code = NOBODY_READS
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    try:
        output.flush()
    except BrokenPipeError:
        code = NOBODY_READS
    except OSError:  # it was told when it happened, and what is left to write has nowhere to go
        code = code or InfraError.exit_code
        _read_by_nobody()
    if code == NOBODY_READS:
        _read_by_nobody()
    return code if isinstance(code, int) else 0


def _open_standard_streams() -> None:
    """Where a standard stream is closed, the next file or socket would get its number, and our output."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - it lives as long as we


def _read_by_nobody() -> None:
    """Keep the interpreter's last flush from complaining. Source: Python documentation, "Note on SIGPIPE"."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
