"""`infra runtime start`."""

from __future__ import annotations

import click

from infra_cli.completion import complete_services
from infra_cli.target import Target, target


@click.command(short_help="Start services that were stopped, and what they need.")
@click.argument("services", nargs=-1, required=True, metavar="SERVICE…", shell_complete=complete_services)
@click.option("--json", "as_json", is_flag=True, help="As a JSON document: the services as in `status`.")
@target
def command(target: Target, *, services: tuple[str, ...], as_json: bool) -> None:
    """Start services that were stopped, and what they need.

    Returns when they are ready. The running stack must know them: `infra runtime up NAME` brings new ones.

    \b
    Example:
      infra runtime start postgres
    """
    from infra_cli.service_commands import order
    from infra_runtime.messages import START

    order(target, START, services, as_json=as_json)
