"""`infra runtime wait`."""

from __future__ import annotations

import click

from infra_cli.completion import complete_services
from infra_cli.target import Target, target


@click.command(short_help="Return when services are ready.")
@click.argument("services", nargs=-1, metavar="[SERVICE…]", shell_complete=complete_services)
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=60.0, metavar="SECONDS",
    show_default=True, help="How long to wait, for the stack itself too.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="As a JSON document: the services as in `status`.")
@target
def command(target: Target, *, services: tuple[str, ...], timeout: float, as_json: bool) -> None:
    """Return when services are ready; without SERVICE, all that the stack was asked for.

    The stack need not run yet: somebody may be about to start it. Exit code 11 says that the time ran out,
    3 that a service failed.

    \b
    Example:
      infra runtime up & infra runtime wait --timeout 30 && make smoke-test
    """
    from infra_cli.service_commands import await_ready

    await_ready(target, services, timeout, as_json=as_json)
