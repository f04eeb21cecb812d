"""What `infra dev api-check` does with its comparisons: show them, end with a code, update, accept."""

from __future__ import annotations

import contextlib
import datetime as dt
import getpass
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra_cli import output
from infra_cli.comparisons import Comparison
from infra_openapi.errors import OpenApiError
from infra_runtime import __version__
from infra_runtime.errors import InfraError

if TYPE_CHECKING:
    from infra_openapi.report import Report

#: where harmless changes would hide the others
_BRIEF = frozenset({"text", "markdown", "github"})
COMPATIBLE, BREAKING = 0, 1


def compared(comparisons: Iterable[Comparison]) -> dict[str, Report]:
    """The reports by name. One that cannot be made is told after the others were tried, and ends it all."""
    reports: dict[str, Report] = {}
    failed: list[InfraError | OpenApiError] = []
    for comparison in comparisons:
        try:
            reports[comparison.name] = comparison.report()
        except (InfraError, OpenApiError) as error:
            failed.append(error)
    if failed:
        first, *others = failed
        for other in others:
            first.add_note(str(other))
        raise first
    return reports


def show(reports: dict[str, Report], options: dict[str, Any]) -> None:
    """Print the reports in the wanted format."""
    from infra_openapi import Level
    from infra_openapi.formats import View, render

    form = options["form"]
    level = options["level"] or ("warning" if form in _BRIEF else "info")
    if options["expand"]:
        reports = {name: replace(it, findings=tuple(it.expanded())) for name, it in reports.items()}
    colour = output.has_colour()
    failing = Level.WARNING if options["fail_on"] == "warning" else Level.BREAKING
    view = View(level=Level(level), failing=failing, folder=_folder(), colour=colour, version=__version__)
    click.echo(render(reports, form, view), nl=False, color=colour)


def exit_code(reports: dict[str, Report], fail_on: str) -> int:
    """1 where a report has what it should not have."""
    failing = {"breaking": {"breaking"}, "warning": {"breaking", "warning"}, "none": set[str]()}[fail_on]
    return BREAKING if any(report.verdict in failing for report in reports.values()) else COMPATIBLE


def update(comparisons: Iterable[Comparison], options: dict[str, Any]) -> int:
    """`--update`: show what changes, and write it."""
    from infra_openapi import CompareError, snapshot

    for comparison in comparisons:
        path = comparison.snapshot()
        revision = comparison.opened(comparison.revision)
        # An old snapshot that is missing or broken is no reason against a new one.
        with contextlib.suppress(CompareError):
            show({comparison.name: comparison.report(revision)}, options)
        written = snapshot.write(path, revision.document)
        output.note(f"{path} {'was written' if written else 'is up to date'}")
    return COMPATIBLE


def accept(comparisons: Iterable[Comparison], reports: dict[str, Report], options: dict[str, Any]) -> int:
    """`--accept`: add findings to the reviewed file."""
    from infra_openapi import CompareError, baseline

    today = dt.datetime.now(tz=dt.UTC).date()
    until = options["until"].date() if options["until"] else None
    owner = options["owner"] or _owner()
    files = {comparison.name: comparison.policy.accepted for comparison in comparisons}
    for wanted in options["accepts"]:
        name, finding = baseline.chosen(reports, wanted)
        path = files[name]
        if path is None:
            problem = "neither side is a file, which accepted findings could lie beside"
            raise CompareError("", problem, hint="Name their file with --accepted.")
        baseline.accept(path, finding, reason=options["reason"], owner=owner, today=today, until=until)
        output.say(f"{finding.fingerprint} ({finding.rule}) is accepted in {path}")
    return COMPATIBLE


def _owner() -> str:
    try:
        done = subprocess.run(
            ["git", "config", "user.email"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return getpass.getuser()
    return done.stdout.strip() or getpass.getuser()


def _folder() -> str:
    """The working directory as seen from the top of its repository; empty outside of one."""
    home = Path.cwd()
    for folder in (home, *home.parents):
        if (folder / ".git").exists():
            return "" if folder == home else str(home.relative_to(folder))
    return ""
