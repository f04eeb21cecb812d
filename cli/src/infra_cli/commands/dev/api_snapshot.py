"""`infra dev api-snapshot`."""

from __future__ import annotations

from pathlib import Path

import click

from infra_cli import output
from infra_cli.commands.dev._api_comparison import Comparison, declared, given, three_exit_codes
from infra_cli.target import Target, target


@click.command(short_help="Write an API's description, canonical and stable in git.")
@click.argument("source", required=False)
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--api", "names", multiple=True, metavar="NAME", help="Only this API of the stack file.")
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=60.0, help="Seconds for a server or an app."
)
@target
def command(
    target: Target, source: str | None, file: Path | None, names: tuple[str, ...], timeout: float
) -> int:
    """Write an API's description, canonical and stable in git.

    SOURCE is what `infra dev api-check` takes; without FILE the snapshot goes to standard output.
    Without arguments every snapshot is written that the stack file declares as [api.NAME].

    \b
    Examples:
      infra dev api-snapshot shop.web:app openapi.json
      infra dev api-snapshot service:api/openapi.json | jq .paths
    """
    with three_exit_codes():
        from infra_openapi import snapshot
        from infra_openapi.check import Policy
        from infra_openapi.sources import Access

        if source is not None and names:
            raise click.UsageError("--api chooses among the APIs of the stack file, and a source was given.")
        access = Access(timeout=timeout)
        wanted: list[Comparison]
        if source is None:
            wanted = declared(names, policy=Policy(), target=target, access=access, accepted=None)
        else:
            wanted = [given(str(file), source, policy=Policy(), target=target, access=access, accepted=None)]
        for comparison in wanted:
            document = comparison.opened(comparison.revision).document
            if source is not None and file is None:
                click.echo(snapshot.canonical(document), nl=False)
                continue
            path = comparison.snapshot()
            written = snapshot.write(path, document)
            output.note(f"{path} {'was written' if written else 'is up to date'}")
        return 0
