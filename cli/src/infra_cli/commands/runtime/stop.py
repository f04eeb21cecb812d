"""`infra runtime stop`."""

from __future__ import annotations

import click

from infra_cli.completion import complete_services
from infra_cli.target import Target, target


@click.command(short_help="Stop services; the stack goes on.")
@click.argument("services", nargs=-1, required=True, metavar="SERVICE…", shell_complete=complete_services)
@click.option("--json", "as_json", is_flag=True, help="As a JSON document: the services as in `status`.")
@target
def command(target: Target, *, services: tuple[str, ...], as_json: bool) -> None:
    """Stop services; the stack goes on.

    Returns when nothing of them is left. What needs them goes on, and may complain.

    \b
    Example:
      infra runtime stop postgres              how does the rest bear it?
    """
    from infra_cli.service_commands import order
    from infra_runtime.messages import STOP

    order(target, STOP, services, as_json=as_json)
