"""The command `infra dev api-check`, which compares two OpenAPI documents."""

from __future__ import annotations

import datetime as dt
import gc
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from infra_cli import output
from infra_cli.commands.dev import _api_report, _api_rules
from infra_cli.commands.dev._api_comparison import (
    Comparison,
    comparison_of_arguments,
    declared,
    three_exit_codes,
)
from infra_cli.target import Target, target
from infra_runtime.value import frozen

FORMATS = ("text", "json", "markdown", "html", "github", "sarif", "junit", "gitlab")
LEVELS = ("breaking", "warning", "info")

EPILOG = """\b
A document is one of:
  openapi.yaml          a file
  main:openapi.yaml     a file in a git revision
  shop.web:app          a FastAPI, Litestar, Starlette or Django Ninja app
  https://…             a URL
  service:api/openapi.json
                        a path of a service of the running stack
  -                     standard input

\b
Exit codes: 0 compatible, 1 breaking (see --fail-on), 2 could not compare.
"""


@frozen
class Options:
    """The arguments and options of `api-check`."""

    base: str | None
    revision: str | None
    form: str
    as_json: bool
    fail_on: str
    level: str | None
    expand: bool
    names: tuple[str, ...]
    preset: str
    overrides: Mapping[str, str]
    accepted: Path | None
    accepts: tuple[str, ...]
    reason: str
    owner: str
    until: dt.datetime | None
    update: bool
    root: Path | None
    allow_network: bool
    timeout: float
    explain: str | None
    list_rules: bool


def _rule(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    for name, _, level in pairs:
        if level not in (*LEVELS, "ignore"):
            raise click.BadParameter(f"{name}={level}: write RULE=breaking, =warning, =info or =ignore")
    return {name: level for name, _, level in pairs}


@click.command(short_help="Find breaking changes between two versions of an API.", epilog=EPILOG)
@click.argument("base", required=False)
@click.argument("revision", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help=(
        "Output format: `text` for a terminal, `markdown` for a comment, `github`, `gitlab`, "
        "`sarif` and `junit` for CI, `json` for programs, `html` for a browser."
    ),
)
@click.option("--json", "as_json", is_flag=True, help="Same as --format json.")
@click.option(
    "--fail-on",
    type=click.Choice(("breaking", "warning", "none")),
    default="breaking",
    show_default=True,
    help="Exit with 1 if a finding has this level or a worse level; with `none`, never exit with 1.",
)
@click.option(
    "--level",
    type=click.Choice(LEVELS),
    help=(
        "Print only findings of this level or a worse level; the format `json` contains all findings. "
        "[default: info; warning for text, markdown, github]"
    ),
)
@click.option(
    "--expand", is_flag=True, help=("Print a finding several times: once for each operation that it affects.")
)
@click.option(
    "--api",
    "names",
    multiple=True,
    metavar="NAME",
    help="Check only this API of the stack file; can be repeated.",
)
@click.option(
    "--preset",
    default="default",
    metavar="NAME",
    help=(
        "Set of rule levels: default, strict, lenient-enums, closed-unions or sdk; for a declared API, "
        "`default` means the preset in the stack file."
    ),
)
@click.option(
    "--rule",
    "overrides",
    multiple=True,
    callback=_rule,
    metavar="RULE=LEVEL",
    help="Set the level of a rule: breaking, warning, info or ignore; can be repeated.",
)
@click.option(
    "--accepted",
    type=click.Path(path_type=Path, dir_okay=False),
    help=(
        "File of accepted findings.  [default: for a declared API, the file in the stack file; otherwise "
        "NAME.accepted.yaml beside the old document, or beside the new document if only this is a file]"
    ),
)
@click.option(
    "--accept",
    "accepts",
    multiple=True,
    metavar="FINDING",
    help="Accept the finding with this fingerprint (or its first characters); can be repeated.",
)
@click.option("--reason", default="", help="The reason why the finding is accepted; required with --accept.")
@click.option(
    "--owner",
    default="",
    help="The person who accepts the findings. [default: git's user.email, or else the login name]",
)
@click.option(
    "--until",
    type=click.DateTime(("%Y-%m-%d",)),
    metavar="DATE",
    help="Last day of the acceptance, such as 2030-12-31; after this day the finding is reported again.",
)
@click.option(
    "--update",
    is_flag=True,
    help="Replace the old document, which must be a snapshot file, by the new document.",
)
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    help=(
        "The directory that contains all files to which documents that are files may refer. [default: the "
        "working directory, or, for a document outside of it, the directory of the document]"
    ),
)
@click.option("--allow-network", is_flag=True, help="Allow documents that are files to refer to URLs.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=60.0,
    help="Seconds to wait for the response of a server or the import of an app.",
)
@click.option(
    "--explain", metavar="RULE", help=("Explain the rule with this id; ids of oasdiff are accepted too.")
)
@click.option("--list-rules", is_flag=True, help="Print all rules with their levels.")
@target
def command(target: Target, **options: Any) -> int:
    """Find breaking changes between two versions of an API.

    The command compares two OpenAPI documents: BASE is the old document, REVISION is the new document.
    Without arguments, the command checks every API that the stack file declares as [api.NAME].

    \b
    Examples:
      infra dev api-check main:openapi.yaml openapi.yaml
      infra dev api-check openapi.json shop.web:app --format markdown
      infra dev api-check --explain response-property-removed
    """
    with three_exit_codes():
        return run(target, Options(**options))


def run(target: Target, options: Options) -> int:
    """Run `infra dev api-check`, and return the exit code: 0 for compatible, 1 for breaking.

    `--fail-on` determines which findings result in 1. With `--update`, `--accept`, `--explain` and
    `--list-rules`, the exit code is 0.
    """
    if options.as_json:
        options = replace(options, form="json")
    if options.list_rules or options.explain is not None:
        return show_rules(options.explain, options.form)
    check_options(options)
    comparisons = comparisons_of(target, options)
    print_options = _api_report.PrintOptions(
        form=options.form, level=options.level, fail_on=options.fail_on, expand=options.expand
    )
    if options.update:
        return _api_report.update(comparisons, print_options)
    reports = _api_report.compared(comparisons)
    if options.accepts:
        until = options.until.date() if options.until else None
        return _api_report.accept(
            comparisons, reports, options.accepts, reason=options.reason, owner=options.owner, until=until
        )
    _api_report.show(reports, print_options)
    return _api_report.exit_code(reports, options.fail_on)


def show_rules(name: str | None, form: str) -> int:
    """Print the rules for the option `--explain`, or all rules for `--list-rules`; return the exit code."""
    if form == "json":
        output.say_json(_api_rules.documents(name))
    else:
        for line in _api_rules.table() if name is None else _api_rules.explanations(name):
            output.say(line)
    return _api_report.COMPATIBLE


def check_options(options: Options) -> None:
    """Raise `UsageError` for options of `infra dev api-check` that cannot be combined.

    Raises `CompareError` if the file of `--accepted` does not exist and `--accept` does not create it.
    """
    if options.accepts:
        if options.update:
            raise click.UsageError(
                "--update cannot be combined with --accept: after --update, both documents are equal and no "
                "finding remains."
            )
        if not options.reason.strip():
            raise click.UsageError("--accept needs --reason TEXT.")
        return
    for name, value in (("reason", options.reason), ("owner", options.owner), ("until", options.until)):
        if value:
            raise click.UsageError(f"--{name} can only be used with --accept FINDING.")
    if options.accepted is not None and not options.accepted.exists():
        from infra_openapi import CompareError

        raise CompareError(
            str(options.accepted),
            "the file of accepted findings does not exist",
            hint="`infra dev api-check --accept FINDING` creates the file.",
        )


def comparisons_of(target: Target, options: Options) -> list[Comparison]:
    """Return the comparison of the two documents on the command line, or of the declared APIs.

    `--api` selects some of the declared APIs.
    """
    # The garbage collector is disabled, because it needs a quarter of the time of a large comparison: large
    # documents consist of millions of objects that exist until the exit.
    gc.disable()
    from infra_openapi.check import Policy
    from infra_openapi.sources import Access

    if options.base is not None and options.revision is None:
        raise click.UsageError(
            "Give two documents, BASE and REVISION, or no document, to check the APIs that the stack file "
            "declares."
        )
    if options.base is not None and options.names:
        raise click.UsageError(
            "--api selects an API of the stack file, so it cannot be combined with two documents."
        )
    policy = Policy(preset=options.preset, rules=options.overrides)
    access = Access(root=options.root, network=options.allow_network, timeout=options.timeout)
    accepted = options.accepted
    if options.base is None or options.revision is None:
        return declared(options.names, policy=policy, target=target, access=access, accepted=accepted)
    return [
        comparison_of_arguments(
            options.base, options.revision, policy=policy, target=target, access=access, accepted=accepted
        )
    ]
