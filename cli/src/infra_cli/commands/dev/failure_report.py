"""The command `infra dev failure-report`, which lists and shows the failure reports of tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from infra_cli import output, usage_errors
from infra_cli.target import Target, target_in
from infra_runtime.errors import InfraError

#: The environment whose data directory contains the failure reports, if no option selects another
#: environment or a data directory.
TEST = "test"


@click.group(cls=usage_errors.Group, short_help="List, show, export and import the failure reports of tests.")
def command() -> None:
    """List, show, export and import the failure reports of tests.

    A failure report is a directory that is written when a test fails. It contains the logs, states, settings
    and dumps of the services.

    \b
    infra dev failure-report list
    infra dev failure-report show test_orders
    infra dev failure-report export test_orders
    infra dev failure-report import artefact.zip
    """


@command.command("list", short_help="List the failure reports, the newest report last.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@target_in("The environment of the stack. [default: test]")
def list_all(target: Target, *, as_json: bool) -> None:
    """List the failure reports of this project's tests, the newest report last.

    The reports are in the data directory of the environment test, unless --env or --data selects another one.
    The stack does not have to be running.

    \b
    Example:
      infra dev failure-report list
    """
    reports = [{**report, "folder": str(folder)} for folder, report in failure_reports(target)]
    if as_json:
        output.say_json({"capsules": reports})
        return
    rows = (
        (report["test"], report["phase"], output.moment(report["began"]), report["folder"])
        for report in reports
    )
    for line in output.columns(rows, header=("TEST", "PHASE", "BEGAN", "FOLDER")):
        output.say(line)


@command.command(short_help="Show one failure report.")
@click.argument("test", metavar="TEST")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document, including the logs.")
@target_in("The environment of the stack. [default: test]")
def show(target: Target, *, test: str, as_json: bool) -> None:
    """Show one failure report: the failure, the states and logs of the services, and the trace of the test.

    TEST is the id of the test or a part of the id. If several reports match, the newest report is shown.

    \b
    Examples:
      infra dev failure-report show test_orders
      infra dev failure-report show test_orders --json | jq -r .logs.postgres
    """
    folder, report = newest(target, test)
    logs = {
        path.stem: path.read_text(encoding="utf-8", errors="replace")
        for path in sorted((folder / "logs").glob("*.log"))
    }
    if as_json:
        output.say_json({**report, "folder": str(folder), "logs": logs})
        return
    output.say(output.styled(f"{report['test']}: failed in {report['phase']}", bold=True))
    output.say(str(folder))
    output.say()
    output.say(report["failure"])
    for service in report["stack"].get("services", ()):
        restarts = f", restarted {service['restarts']} times" if service.get("restarts") else ""
        state = f"{output.phase(service['phase'])}{restarts} {service.get('reason', '')}"
        output.say(f"{service['name']}: {state}".rstrip())
    for unit, dump in report.get("dumps", {}).items():
        output.say(f"{unit}: {dump}")
    traces = [("trace", path.read_text(encoding="utf-8")) for path in folder.glob("trace.txt")]
    for name, text in (*logs.items(), *traces):
        output.say()
        output.say(output.styled(f"--- {name}", bold=True))
        output.say(text.rstrip())


@command.command("export", short_help="Write one failure report to a ZIP file.")
@click.argument("test", metavar="TEST")
@click.option(
    "--output",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file; the default is the name of the report in the working directory.",
)
@target_in("The environment of the stack. [default: test]")
def export(target: Target, *, test: str, file: Path | None) -> None:
    """Write one failure report to a ZIP file, for example to open the report on another machine.

    TEST is the id of the test or a part of the id. The ZIP file does not contain `units.json`, because
    `units.json` can contain passwords.

    \b
    Example:
      infra dev failure-report export test_orders --output report.zip
    """
    from infra_runtime.dashboard.report_archive import pack

    folder, _ = newest(target, test)
    path = file or Path(f"{folder.name}.zip")
    try:
        with path.open("wb") as archive:
            pack(folder, archive)
    except OSError as error:
        raise click.FileError(str(path), error.strerror or str(error)) from error
    output.say(str(path))


@command.command("import", short_help="Open failure reports of another machine.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@target_in("The environment of the stack. [default: test]")
def import_all(target: Target, *, file: Path) -> None:
    """Copy the failure reports in a ZIP file, such as an artefact of CI, into the data directory of tests.

    `infra dev failure-report show` and the page Tests of the dashboard then show these failure reports.

    \b
    Example:
      infra dev failure-report import artefact.zip
    """
    from infra_runtime.dashboard.report_archive import unpack

    data = data_of(target)
    data.mkdir(parents=True, exist_ok=True)
    with file.open("rb") as archive:
        for folder in unpack(archive, data):
            output.say(str(folder))


def newest(target: Target, test: str) -> tuple[Path, dict[str, Any]]:
    """Return the folder and the content of the newest failure report whose test id contains the text `test`.

    Raises `NoFailureReportError` if no report matches.
    """
    reports = failure_reports(target)
    matching = [(folder, report) for folder, report in reports if test in report["test"]]
    if not matching:
        raise NoFailureReportError(test, [report["test"] for _, report in reports])
    return matching[-1]


def data_of(target: Target) -> Path:
    """Return the data directory that the options select; by default, the data directory of tests."""
    return Path((target if target.environment or target.data else target.within(TEST)).paths().data)


class NoFailureReportError(InfraError):
    """Raised if no failure report in the data directory is of a test whose id contains a text."""

    hint = "`infra dev failure-report list` prints the existing failure reports."

    def __init__(self, test: str, existing: list[str]) -> None:
        super().__init__(test, existing)
        self.test, self.existing = test, existing

    def __str__(self) -> str:
        return f"the data directory contains no failure report of a test whose id contains {self.test!r}"


def failure_reports(target: Target) -> list[tuple[Path, dict[str, Any]]]:
    """Return folder and content of each complete failure report, sorted by the start of its test.

    If no option selects an environment or a data directory, the environment is `test`.
    """
    reports = []
    for path in data_of(target).glob("**/capsules/*/capsule.json"):
        try:
            reports.append((path.parent, json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError):
            continue  # the file is incomplete, because the test run was killed while it wrote the file
    return sorted(reports, key=lambda report: float(report[1]["began"]))
