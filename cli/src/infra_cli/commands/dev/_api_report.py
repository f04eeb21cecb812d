"""The results of `infra dev api-check`: printed reports, the exit code, new snapshots, accepted findings."""

from __future__ import annotations

import contextlib
import datetime as dt
import getpass
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra_cli import output
from infra_cli.commands.dev._api_comparison import Comparison
from infra_openapi.errors import OpenApiError
from infra_runtime import __version__
from infra_runtime.errors import InfraError
from infra_runtime.value import frozen

if TYPE_CHECKING:
    from infra_openapi.report import Report

#: The formats that do not show findings of the level `info` by default.
_WITHOUT_INFO = frozenset({"text", "markdown", "github"})
COMPATIBLE, BREAKING = 0, 1


@frozen
class PrintOptions:
    """The options for printed reports.

    `form` is the output format. `level` is the lowest level to print; its default depends on the format. The
    format `json` contains all findings.
    """

    form: str
    level: str | None
    fail_on: str
    expand: bool


def compared(comparisons: Iterable[Comparison]) -> dict[str, Report]:
    """Run the comparisons, and return a mapping from API name to report.

    Raises:
        InfraError, OpenApiError: a comparison failed. All comparisons run before the first error is raised;
            further errors are added to the first error as notes.
    """
    reports: dict[str, Report] = {}
    errors: list[InfraError | OpenApiError] = []
    for comparison in comparisons:
        try:
            reports[comparison.name] = comparison.report()
        except (InfraError, OpenApiError) as error:
            errors.append(error)
    if errors:
        first_error, *other_errors = errors
        for other_error in other_errors:
            first_error.add_note(str(other_error))
        raise first_error
    return reports


def show(reports: Mapping[str, Report], options: PrintOptions) -> None:
    """Print the reports of comparisons on standard output, in the format of the options."""
    from infra_openapi import Level
    from infra_openapi.formats import View, render

    level = options.level or ("warning" if options.form in _WITHOUT_INFO else "info")
    if options.expand:
        reports = {
            name: replace(report, findings=tuple(report.expanded())) for name, report in reports.items()
        }
    colour = output.has_colour()
    failing = Level.WARNING if options.fail_on == "warning" else Level.BREAKING
    view = View(level=Level(level), failing=failing, folder=_folder(), colour=colour, version=__version__)
    click.echo(render(reports, options.form, view), nl=False, color=colour)


def exit_code(reports: Mapping[str, Report], fail_on: str) -> int:
    """Return 1 if a report has a finding of the level `fail_on` or a worse level, otherwise 0."""
    failing = {"breaking": {"breaking"}, "warning": {"breaking", "warning"}, "none": set[str]()}[fail_on]
    return BREAKING if any(report.verdict in failing for report in reports.values()) else COMPATIBLE


def update(comparisons: Iterable[Comparison], options: PrintOptions) -> int:
    """Replace the snapshot files by the new documents (option `--update`); return the exit code, 0.

    The changes since a valid old snapshot are printed first.
    """
    from infra_openapi import CompareError, snapshot

    for comparison in comparisons:
        path = comparison.snapshot()
        revision = comparison.read_document(comparison.revision)
        # A snapshot that is missing or invalid can be replaced.
        with contextlib.suppress(CompareError):
            show({comparison.name: comparison.report(revision)}, options)
        has_changed = snapshot.write(path, revision.document)
        output.note(f"{path} {'was written' if has_changed else 'is up to date'}")
    return COMPATIBLE


def accept(
    comparisons: Iterable[Comparison],
    reports: Mapping[str, Report],
    fingerprints: Iterable[str],
    *,
    reason: str,
    owner: str,
    until: dt.date | None,
) -> int:
    """Add findings to the file of accepted findings (option `--accept`); return the exit code."""
    from infra_openapi import CompareError, baseline

    today = dt.datetime.now(tz=dt.UTC).date()
    owner = owner or _owner()
    files = {comparison.name: comparison.policy.accepted for comparison in comparisons}
    for fingerprint in fingerprints:
        name, finding = baseline.finding_with_fingerprint(reports, fingerprint)
        path = files[name]
        if path is None:
            problem = (
                "the file of accepted findings has no default path, because the old document is neither a "
                "file nor in a git revision"
            )
            raise CompareError("", problem, hint="Set the file with `--accepted FILE`.")
        baseline.accept(path, finding, reason=reason, owner=owner, today=today, until=until)
        output.say(f"{finding.fingerprint} ({finding.rule}) is accepted in {path}")
    return COMPATIBLE


def _owner() -> str:
    try:
        process = subprocess.run(
            ["git", "config", "user.email"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return getpass.getuser()
    return process.stdout.strip() or getpass.getuser()


def _folder() -> str:
    """Return the working directory relative to the root of its git repository.

    The result is an empty string for the root itself, and if the directory is not in a repository.
    """
    working_directory = Path.cwd()
    for folder in (working_directory, *working_directory.parents):
        if (folder / ".git").exists():
            return "" if folder == working_directory else str(working_directory.relative_to(folder))
    return ""
