"""The output format `markdown`, for a comment on a pull request or the summary of a CI job."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra_openapi.finding import Finding, Level
from infra_openapi.formats import Reports
from infra_openapi.formats.view import View, affected, example, heading, remarks, total
from infra_openapi.report import Report

_TITLES = {Level.BREAKING: "Breaking", Level.WARNING: "Warnings", Level.INFO: "Information"}
#: The characters with a meaning in Markdown or HTML; `@` and `#` would create links to users and issues.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&@-])")


def render(reports: Reports, view: View) -> str:
    """Return a Markdown section for each report, with a table for each level of findings."""
    return "\n".join(line for name, report in reports.items() for line in _report(name, report, view))


def _report(name: str, report: Report, view: View) -> Iterator[str]:
    yield f"## API check: {report.verdict}"
    yield ""
    yield f"{_escaped(heading(name, report))}: {total(report)}"
    yield ""
    shown = list(view.shown(report))
    for level in Level:
        findings = [finding for finding in shown if finding.level is level]
        if findings:
            yield f"### {_TITLES[level]} ({len(findings)})"
            yield ""
            yield "| rule | change | where | fingerprint |"
            yield "| --- | --- | --- | --- |"
            yield from (_row(finding, view) for finding in findings)
            yield ""
    if lines := remarks(report):
        yield from (f"- {_escaped(remark)}" for remark in lines)
        yield ""


def _row(finding: Finding, view: View) -> str:
    lines = [_escaped(finding.message)]
    if named := affected(finding):
        lines.append(f"in {_escaped(named)}")
    if shown := example(finding):
        lines.append(f"example: {_escaped(shown)}")
    if finding.advice:
        lines.append(f"what to do: {_escaped(finding.advice)}")
    location = finding.shown_at or finding.location
    where = f"{view.file(location)}:{location.line}" if location else ""
    cells = [f"`{finding.rule}`", "<br>".join(lines), _escaped(where), f"`{finding.fingerprint}`"]
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return " ".join(_SPECIAL.sub(r"\\\1", text).split())
