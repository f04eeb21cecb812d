"""The command `infra runtime open`, which opens the web page of a service in the browser."""

from __future__ import annotations

import click

from infra_cli import output
from infra_cli.completion import complete_services
from infra_cli.target import Target, target
from infra_runtime.manifest import DASHBOARD


@click.command(short_help="Open the web page of a service in the browser.")
@click.argument("service", default=DASHBOARD.name, shell_complete=complete_services)
@click.option(
    "--role",
    type=click.Choice(["viewer", "operator", "admin"]),
    default="admin",
    show_default=True,
    help="What the session in the dashboard may do: read, start and stop services, or create login links.",
)
@click.option("--print", "only_print", is_flag=True, help="Print the address, and do not open the browser.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document, and do not open the browser.")
@target
def command(target: Target, *, service: str, role: str, only_print: bool, as_json: bool) -> None:
    """Open the web page of a service in the browser.

    Without SERVICE, the command opens the dashboard. The address of a dashboard is a new login link, which is
    valid for one login within five minutes. The login ends at the latest when the stack stops.

    \b
    Examples:
      infra runtime open                       the dashboard
      infra runtime open mail                  the inbox of the mail server
      infra runtime open --print --role viewer
    """
    from infra_cli.web_pages import address_of, open_browser

    with target.client() as client:
        address = address_of(client, service, role)
    if as_json:
        output.say_json({"service": service, "url": address})
    elif only_print:
        output.say(address)
    else:
        open_browser(address)
        output.say(f"opened the web page of {service} in the browser")
