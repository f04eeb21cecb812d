"""The command `infra runtime stop`, which stops services of the running stack."""

from __future__ import annotations

import click

from infra_cli.completion import complete_services
from infra_cli.target import Target, target


@click.command(short_help="Stop services; the other services of the stack keep running.")
@click.argument("services", nargs=-1, required=True, metavar="SERVICE…", shell_complete=complete_services)
@click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON document with the states of the services."
)
@target
def command(target: Target, *, services: tuple[str, ...], as_json: bool) -> None:
    """Stop services; the other services of the stack keep running.

    The command returns when all processes of the services have exited. Services that need the stopped
    services also keep running, and can report errors.

    \b
    Example:
      infra runtime stop postgres              test how your services react
    """
    from infra_cli.service_commands import control
    from infra_runtime.messages import STOP

    control(target, STOP, services, as_json=as_json)
