"""The command `infra runtime wait`, which waits until services are ready."""

from __future__ import annotations

import click

from infra_cli.completion import complete_services
from infra_cli.target import Target, target


@click.command(short_help="Wait until services are ready.")
@click.argument("services", nargs=-1, metavar="[SERVICE…]", shell_complete=complete_services)
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=60.0, metavar="SECONDS",
    show_default=True, help="The longest time to wait, including the start of the stack.",
)  # fmt: skip
@click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON document with the states of the services."
)
@target
def command(target: Target, *, services: tuple[str, ...], timeout: float, as_json: bool) -> None:
    """Wait until the given services are ready; without SERVICE, until all services are ready.

    Without SERVICE, services that are stopped or paused are not waited for.

    If the stack is not running yet, the command also waits for the start of the stack. The exit code is 11 if
    the timeout has expired, 3 if a service has failed, and 4 if another process uses the port of a service.

    \b
    Example:
      infra runtime up & infra runtime wait --timeout 30 && make smoke-test
    """
    from infra_cli.service_commands import await_ready

    await_ready(target, services, timeout, as_json=as_json)
