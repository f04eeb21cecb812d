"""`infra dev api-check`."""

from __future__ import annotations

import datetime as dt
import gc
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from infra_cli import output
from infra_cli.commands.dev import _api_report, _api_rules
from infra_cli.commands.dev._api_comparison import Comparison, declared, given, three_exit_codes
from infra_cli.target import Target, target

FORMATS = ("text", "json", "markdown", "html", "github", "sarif", "junit", "gitlab")
LEVELS = ("breaking", "warning", "info")

EPILOG = """\b
A document is one of:
  openapi.yaml          a file
  main:openapi.yaml     a file in a git revision
  shop.web:app          a FastAPI, Litestar, Starlette or Django Ninja app
  https://…, service:api/openapi.json, -

\b
Exit codes: 0 compatible, 1 breaking, 2 could not compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The arguments and options of `api-check`, as click reads them."""

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


@click.command(short_help="Say what a change of the API would break.", epilog=EPILOG)
@click.argument("base", required=False)
@click.argument("revision", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="For whom it is told.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--fail-on",
    type=click.Choice(("breaking", "warning", "none")),
    default="breaking",
    show_default=True,
    help="End with 1 at this level.",
)
@click.option("--level", type=click.Choice(LEVELS), help="Show findings from this level on.")
@click.option("--expand", is_flag=True, help="Show a finding once for each operation that it reaches.")
@click.option("--api", "names", multiple=True, metavar="NAME", help="Only this API of the stack file.")
@click.option("--preset", default="default", metavar="NAME", help="strict, lenient-enums or sdk.")
@click.option(
    "--rule", "overrides", multiple=True, callback=_rule, metavar="RULE=LEVEL", help="Judge a rule anew."
)
@click.option(
    "--accepted", type=click.Path(path_type=Path, dir_okay=False), help="The file of accepted findings."
)
@click.option(
    "--accept", "accepts", multiple=True, metavar="FINDING", help="Accept a finding, by fingerprint."
)
@click.option("--reason", default="", help="Why it is accepted.")
@click.option("--owner", default="", help="Who answers for it.  [default: git's user.email]")
@click.option(
    "--until", type=click.DateTime(("%Y-%m-%d",)), metavar="DATE", help="The last day it is accepted."
)
@click.option("--update", is_flag=True, help="Write what is there today as the new snapshot.")
@click.option(
    "--root", type=click.Path(path_type=Path, file_okay=False), help="References may lead to files here."
)
@click.option("--allow-network", is_flag=True, help="References may lead to other servers.")
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=60.0, help="Seconds for a server or an app."
)
@click.option("--explain", metavar="RULE", help="Tell about a rule, also by its id in oasdiff.")
@click.option("--list-rules", is_flag=True, help="Tell which rules there are.")
@target
def command(target: Target, **options: Any) -> int:
    """Say what a change of the API would break, whom, and why.

    Compares two OpenAPI documents, or without arguments what the stack file declares as [api.NAME].

    \b
    Examples:
      infra dev api-check main:openapi.yaml openapi.yaml
      infra dev api-check openapi.json shop.web:app --format markdown
      infra dev api-check --explain response-property-removed
    """
    with three_exit_codes():
        return run(target, Options(**options))


def run(target: Target, options: Options) -> int:
    """Compare, and return the exit code: 0 for compatible, 1 for breaking."""
    if options.as_json:
        options = replace(options, form="json")
    if options.list_rules or options.explain is not None:
        return show_rules(options.explain, options.form)
    refuse_contradictions(options)
    comparisons = chosen(target, options)
    shown = _api_report.Shown(
        form=options.form, level=options.level, fail_on=options.fail_on, expand=options.expand
    )
    if options.update:
        return _api_report.update(comparisons, shown)
    reports = _api_report.compared(comparisons)
    if options.accepts:
        until = options.until.date() if options.until else None
        return _api_report.accept(
            comparisons, reports, options.accepts, reason=options.reason, owner=options.owner, until=until
        )
    _api_report.show(reports, shown)
    return _api_report.exit_code(reports, options.fail_on)


def show_rules(name: str | None, form: str) -> int:
    """Print the rule of `--explain`, or all of them for `--list-rules`."""
    if form == "json":
        output.say_json(_api_rules.plain(name))
    else:
        for line in _api_rules.listing() if name is None else _api_rules.explanations(name):
            output.say(line)
    return _api_report.COMPATIBLE


def refuse_contradictions(options: Options) -> None:
    """Raise for options that would have no effect beside the others."""
    if options.accepts:
        if options.update:
            raise click.UsageError("--update makes the change the new promise; there is nothing to --accept.")
        if not options.reason.strip():
            raise click.UsageError("--accept needs a --reason.")
        return
    for name, value in (("reason", options.reason), ("owner", options.owner), ("until", options.until)):
        if value:
            raise click.UsageError(f"--{name} belongs to --accept FINDING.")
    if options.accepted is not None and not options.accepted.exists():
        from infra_openapi import CompareError

        raise CompareError(str(options.accepted), "does not exist", hint="--accept FINDING makes it.")


def chosen(target: Target, options: Options) -> list[Comparison]:
    """Return what is to be compared: the two given documents, or what the stack file declares."""
    # Large documents are millions of objects that live to the end: looking through them for garbage, and
    # finding none, was a quarter of the time.
    gc.disable()
    from infra_openapi.check import Policy
    from infra_openapi.sources import Access

    if options.base is not None and options.revision is None:
        raise click.UsageError("Give two documents, or none for those of the stack file.")
    if options.base is not None and options.names:
        raise click.UsageError(
            "--api chooses among the APIs of the stack file, and two documents were given."
        )
    policy = Policy(preset=options.preset, rules=options.overrides)
    access = Access(root=options.root, network=options.allow_network, timeout=options.timeout)
    accepted = options.accepted
    if options.base is None or options.revision is None:
        return declared(options.names, policy=policy, target=target, access=access, accepted=accepted)
    return [
        given(options.base, options.revision, policy=policy, target=target, access=access, accepted=accepted)
    ]
