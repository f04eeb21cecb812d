"""A command that was not used as it is meant: what is wrong, and what was perhaps meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import click

from infra_cli import output
from infra_runtime.errors import InfraError, close_match


class Group(click.Group):
    """A group that knows what was perhaps meant, be it in another group."""

    #: what is easily forgotten: a command's name → all that has to be typed
    elsewhere: ClassVar[Mapping[str, str]] = {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Without a command, tell which there are."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(click.UsageError.exit_code)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command. Raises `UsageError` with the nearest name there is."""
        name = args[0]
        if ctx.resilient_parsing or name.startswith("-") or self.get_command(ctx, name):
            return super().resolve_command(ctx, args)
        raise click.UsageError(f"no such command {name!r}{self._meant(ctx, name)}", ctx)

    def _meant(self, ctx: click.Context, name: str) -> str:
        here = self.list_commands(ctx)
        known = {**self.elsewhere, **{each: f"{ctx.command_path} {each}" for each in here}}
        begun = [each for each in known if each.startswith(name)]
        near = begun[0] if begun else close_match(name, known)
        return f"; did you mean `{known[near]}`?" if near else f"; there are: {', '.join(here)}"


def complain(error: click.UsageError) -> None:
    """Tell it as every other error is told."""
    found = InfraError(_message(error))
    if error.ctx is not None:
        found.hint = f"`{error.ctx.command_path} --help` explains it."
    output.complain(found)


def _message(error: click.UsageError) -> str:
    if isinstance(error, click.NoSuchOption):
        near = f"; did you mean {error.possibilities[0]!r}?" if error.possibilities else ""
        return f"no such option {error.option_name!r}{near}"
    message = error.format_message().rstrip(".")
    return message[:1].lower() + message[1:]
