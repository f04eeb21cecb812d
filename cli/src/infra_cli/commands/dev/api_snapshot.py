"""The command `infra dev api-snapshot`, which writes the OpenAPI document of an API as a snapshot file."""

from __future__ import annotations

from pathlib import Path

import click

from infra_cli import output
from infra_cli.commands.dev._api_comparison import (
    Comparison,
    comparison_of_arguments,
    declared,
    three_exit_codes,
)
from infra_cli.target import Target, target


@click.command(short_help="Write the OpenAPI document of an API with sorted keys.")
@click.argument("source", required=False)
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--api",
    "names",
    multiple=True,
    metavar="NAME",
    help="Write only the snapshot of this API of the stack file; can be repeated.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=60.0,
    help="Seconds to wait for the response of a server or the import of an app.",
)
@target
def command(
    target: Target, source: str | None, file: Path | None, names: tuple[str, ...], timeout: float
) -> int:
    """Write the OpenAPI document of an API with sorted keys.

    Because the keys are sorted, a diff of two snapshots shows only changes of the API. SOURCE is any document
    that `infra dev api-check` can read. Without FILE, the snapshot is printed. Without arguments, the command
    writes every snapshot that the stack file declares as [api.NAME].

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
            raise click.UsageError(
                "--api selects an API of the stack file, so it cannot be combined with SOURCE."
            )
        access = Access(timeout=timeout)
        comparisons: list[Comparison]
        if source is None:
            comparisons = declared(names, policy=Policy(), target=target, access=access, accepted=None)
        else:
            comparisons = [
                comparison_of_arguments(
                    str(file), source, policy=Policy(), target=target, access=access, accepted=None
                )
            ]
        for comparison in comparisons:
            document = comparison.read_document(comparison.revision).document
            if source is not None and file is None:
                click.echo(snapshot.canonical(document), nl=False)
                continue
            path = comparison.snapshot()
            has_changed = snapshot.write(path, document)
            output.note(f"{path} {'was written' if has_changed else 'is up to date'}")
        return 0
