"""`infra config show`."""

from __future__ import annotations

import click

from infra_cli import output
from infra_cli.target import Target, target


@click.command(short_help="Every setting, and where its value came from.")
@click.argument("keys", nargs=-1, metavar="[KEY…]")
@click.option("--profile", help="As for `infra runtime up`.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON document: key → value, source.")
@target
def command(target: Target, *, keys: tuple[str, ...], profile: str | None, as_json: bool) -> None:
    """Every setting of the stack, and where its value came from; secrets are masked.

    With KEY only what begins with it, such as `services.postgres`.
    """
    found = {
        key: origin
        for key, origin in target.resolve(profile=profile, executables=False).provenance.items()
        if not keys or any(f"{key}.".startswith(f"{wanted}.") for wanted in keys)
    }
    if as_json:
        output.say_json(
            {key: {"value": origin.value, "source": origin.source} for key, origin in found.items()}
        )
        return
    rows = ((key, origin.value, output.styled(origin.source, dim=True)) for key, origin in found.items())
    for line in output.columns(rows, header=("KEY", "VALUE", "FROM")):
        output.say(line)
