"""The messages for usage errors, such as an unknown command; a message suggests a similar name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import click

from infra_cli import output
from infra_runtime.errors import InfraError, close_match


class Group(click.Group):
    """A group of commands. For an unknown command, the error suggests a similar command, if there is one.

    The commands of this group and those in `all_commands` are compared.
    """

    #: name → full name: the commands of all groups in `infra` and its groups, empty in nested groups
    all_commands: ClassVar[Mapping[str, str]] = {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; if the command is missing, print the help to standard error and exit."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(click.UsageError.exit_code)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the requested command; if it does not exist, raise `UsageError` with a similar name."""
        name = args[0]
        if ctx.resilient_parsing or name.startswith("-") or self.get_command(ctx, name):
            return super().resolve_command(ctx, args)
        raise click.UsageError(f"no such command {name!r}{self._suggestion(ctx, name)}", ctx)

    def _suggestion(self, ctx: click.Context, name: str) -> str:
        own_commands = self.list_commands(ctx)
        full_names = {
            **self.all_commands,
            **{command: f"{ctx.command_path} {command}" for command in own_commands},
        }
        with_prefix = [command for command in full_names if command.startswith(name)]
        similar = with_prefix[0] if with_prefix else close_match(name, full_names)
        if similar:
            return f"; did you mean `{full_names[similar]}`?"
        return f"; use one of: {', '.join(own_commands)}"


def report(error: click.UsageError) -> None:
    """Print a usage error in the same form as an `InfraError`."""
    infra_error = InfraError(_message(error))
    if error.ctx is not None:
        infra_error.hint = (
            f"`{error.ctx.command_path} --help` prints the arguments and options of the command."
        )
    output.print_error(infra_error)


def _message(error: click.UsageError) -> str:
    if isinstance(error, click.NoSuchOption):
        suggestion = f"; did you mean {error.possibilities[0]!r}?" if error.possibilities else ""
        return f"no such option {error.option_name!r}{suggestion}"
    message = error.format_message().rstrip(".")
    return message[:1].lower() + message[1:]
