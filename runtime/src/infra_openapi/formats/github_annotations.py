"""The output format `github`: workflow commands, which GitHub Actions shows as annotations of files.

The last line of each report contains the number of findings of each level. Source: GitHub's documentation,
"Workflow commands for GitHub Actions". Special characters in texts are escaped as in GitHub's library
actions/toolkit (`packages/core/src/command.ts`).
"""

from __future__ import annotations

from infra_openapi.finding import Finding, Level
from infra_openapi.formats import Reports
from infra_openapi.formats.view import View, affected, example, heading, total

_COMMANDS = {Level.BREAKING: "error", Level.WARNING: "warning", Level.INFO: "notice"}


def render(reports: Reports, view: View) -> str:
    """Return a workflow command of GitHub Actions for each shown finding, and the totals of each report."""
    lines = []
    for name, report in reports.items():
        lines += [_command(finding, view) for finding in view.visible_findings(report)]
        lines.append(_data(f"{heading(name, report)}: {report.verdict} ({total(report)})"))
    return "\n".join(lines) + "\n"


def _command(finding: Finding, view: View) -> str:
    properties = {}
    if finding.shown_at and finding.shown_at.line:
        properties["file"] = view.file(finding.shown_at)
        properties["line"] = str(finding.shown_at.line)
        properties["col"] = str(finding.shown_at.column)
    properties["title"] = f"{finding.level.value}: {finding.rule}"
    lines = [finding.message]
    if operations_text := affected(finding):
        lines.append(f"In {operations_text}.")
    if example_text := example(finding):
        lines.append(f"Example: {example_text}.")
    if finding.advice:
        lines.append(f"What to do: {finding.advice}")
    if finding.level is not Level.INFO:
        lines.append(f"Fingerprint: {finding.fingerprint}")
    joined = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{_COMMANDS[finding.level]} {joined}::" + _data("\n".join(lines))


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
