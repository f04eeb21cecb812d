"""`infra runtime up`."""

from __future__ import annotations

import click

from infra_cli.completion import complete_services
from infra_cli.target import Target, target


def _names(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for text in given for name in text.split(",") if name.strip())


@click.command(short_help="Start the stack, and hold it until Ctrl-C.")
@click.argument("services", nargs=-1, metavar="[SERVICE…]", shell_complete=complete_services)
@click.option("--profile", help="A profile of the stack file, or `minimal` or `full`.")
@click.option(
    "--only", multiple=True, metavar="NAME[,NAME…]", callback=_names, shell_complete=complete_services,
    help="Only these services and what they need: the same as naming them, for a list in a variable.",
)  # fmt: skip
@click.option(
    "--skip", multiple=True, metavar="NAME[,NAME…]", callback=_names, shell_complete=complete_services,
    help="All but these services.",
)  # fmt: skip
@click.option(
    "-d",
    "--detach",
    is_flag=True,
    help="Return when all is ready; the stack stays until `infra runtime down`.",
)
@click.option(
    "--wait/--no-wait", default=True, help="With --detach: whether to wait until all is ready.  [wait]"
)
@click.option("--watch", is_flag=True, help="Restart a service when a file of its `watch` globs changes.")
@click.option("--json", "as_json", is_flag=True, help="Tell everything as lines of JSON.")
@target
def command(
    target: Target,
    *,
    services: tuple[str, ...],
    profile: str | None,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    detach: bool,
    wait: bool,
    watch: bool,
    as_json: bool,
) -> int:
    """Start the stack of this directory, and print where it answers.

    Without SERVICE all services of the stack file start; naming some starts those and what they need.
    The stack lives as long as this command holds it: Ctrl-C stops it, and proves that nothing is left.
    Ctrl-C again kills at once. When a service fails to start, everything stops, except under --watch.

    \b
    Examples:
      infra runtime up                        the whole stack, in the foreground
      infra runtime up postgres nats          these two, and what they need
      infra runtime up --detach               in the background; end it with `infra runtime down`
      infra runtime up --env test --skip caddy
    """
    if not wait and not detach:
        raise click.UsageError(
            "--no-wait belongs to --detach: in the foreground there is nothing else to do."
        )
    if watch and detach:
        raise click.UsageError("--watch needs the foreground: who should watch, once this command is gone?")
    from infra_cli.foreground import Order, hold

    order = Order(names=(*services, *only), profile=profile, skip=skip, detach=detach, wait=wait, watch=watch)
    return hold(target, order, as_json=as_json)
