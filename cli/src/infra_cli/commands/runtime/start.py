"""The command `infra runtime start`, which starts services of the running stack."""

from __future__ import annotations

import click

from infra_cli.completion import complete_services
from infra_cli.target import Target, target


@click.command(short_help="Start stopped services and the services that they need.")
@click.argument("services", nargs=-1, required=True, metavar="SERVICE…", shell_complete=complete_services)
@click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON document with the states of the services."
)
@target
def command(target: Target, *, services: tuple[str, ...], as_json: bool) -> None:
    """Start stopped services and the services that they need.

    The command returns when the services are ready. The services must be part of the running stack: `infra
    runtime up NAME` adds a service to the stack.

    \b
    Example:
      infra runtime start postgres
    """
    from infra_cli.service_commands import control
    from infra_runtime.messages import START

    control(target, START, services, as_json=as_json)
