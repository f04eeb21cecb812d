"""For a comment on a pull request, or a job's summary."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra_openapi.finding import Finding, Level
from infra_openapi.formats import Reports
from infra_openapi.formats.view import View, example, heading, reached, remarks, total
from infra_openapi.report import Report

_TITLES = {Level.BREAKING: "Breaking", Level.WARNING: "Warnings", Level.INFO: "Harmless"}
#: everything that Markdown, or the HTML in it, could take for its own; @ and # would name people and issues
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&@-])")


def render(reports: Reports, view: View) -> str:
    """A section for each report, a table for each level."""
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
    if found := remarks(report):
        yield from (f"- {_escaped(remark)}" for remark in found)
        yield ""


def _row(finding: Finding, view: View) -> str:
    lines = [_escaped(finding.message)]
    if named := reached(finding):
        lines.append(f"reaches {_escaped(named)}")
    if shown := example(finding):
        lines.append(f"example: {_escaped(shown)}")
    location = finding.shown_at or finding.location
    where = f"{view.file(location)}:{location.line}" if location else ""
    cells = [f"`{finding.rule}`", "<br>".join(lines), _escaped(where), f"`{finding.fingerprint}`"]
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return " ".join(_SPECIAL.sub(r"\\\1", text).split())
