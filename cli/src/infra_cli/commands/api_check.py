"""`infra dev api-check`."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import click

from infra_cli import output, rules, verdicts
from infra_cli.comparisons import Comparison, declared, given, three_exit_codes
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
        if options["as_json"]:
            options["form"] = "json"
        if options["list_rules"] or options["explain"] is not None:
            return tell_rules(options["explain"], options["form"])
        consistent(options)
        comparisons = chosen(target, options)
        if options["update"]:
            return verdicts.update(comparisons, options)
        reports = verdicts.compared(comparisons)
        if options["accepts"]:
            return verdicts.accept(comparisons, reports, options)
        verdicts.show(reports, options)
        return verdicts.exit_code(reports, options["fail_on"])


def tell_rules(name: str | None, form: str) -> int:
    """`--explain` and `--list-rules`."""
    if form == "json":
        output.say_json(rules.plain(name))
        return verdicts.COMPATIBLE
    for line in rules.listing() if name is None else rules.explanations(name):
        output.say(line)
    return verdicts.COMPATIBLE


def consistent(options: dict[str, Any]) -> None:
    """Refuse what would be read past."""
    if options["accepts"]:
        if options["update"]:
            raise click.UsageError("--update makes the change the new promise; there is nothing to --accept.")
        if not options["reason"].strip():
            raise click.UsageError("--accept needs a --reason.")
        return
    for name in ("reason", "owner", "until"):
        if options[name]:
            raise click.UsageError(f"--{name} belongs to --accept FINDING.")
    missing = options["accepted"]
    if missing is not None and not missing.exists():
        from infra_openapi import CompareError

        raise CompareError(str(missing), "does not exist", hint="--accept FINDING makes it.")


def chosen(target: Target, options: dict[str, Any]) -> list[Comparison]:
    """What is to be compared: the two given documents, or what the stack file declares."""
    # Large documents are millions of objects that live to the end: looking through them for garbage, and
    # finding none, was a quarter of the time.
    gc.disable()
    from infra_openapi.check import Policy
    from infra_openapi.sources import Leave

    base, revision = options["base"], options["revision"]
    if base is not None and revision is None:
        raise click.UsageError("Give two documents, or none for those of the stack file.")
    if base is not None and options["names"]:
        raise click.UsageError(
            "--api chooses among the APIs of the stack file, and two documents were given."
        )
    terms: dict[str, Any] = {
        "policy": Policy(preset=options["preset"], rules=options["overrides"]),
        "target": target,
        "leave": Leave(root=options["root"], network=options["allow_network"], patience=options["timeout"]),
        "accepted": options["accepted"],
    }
    return [given(base, revision, **terms)] if base is not None else declared(options["names"], **terms)
