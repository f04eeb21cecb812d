"""The command `infra runtime restart`, which stops and starts services."""

from __future__ import annotations

import click

from infra_cli.completion import complete_services
from infra_cli.target import Target, target


@click.command(short_help="Stop services and start them again on the same ports.")
@click.argument("services", nargs=-1, required=True, metavar="SERVICE…", shell_complete=complete_services)
@click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON document with the states of the services."
)
@target
def command(target: Target, *, services: tuple[str, ...], as_json: bool) -> None:
    """Stop services and start them again on the same ports.

    The command returns when the services are ready. A task, such as a migration, runs again. In the
    environment test, a service gets another port if another process uses its port at this moment.

    \b
    Example:
      infra runtime restart api
    """
    from infra_cli.service_commands import control
    from infra_runtime.messages import RESTART

    control(target, RESTART, services, as_json=as_json)
