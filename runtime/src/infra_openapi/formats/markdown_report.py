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
    visible_findings = list(view.visible_findings(report))
    for level in Level:
        findings = [finding for finding in visible_findings if finding.level is level]
        if findings:
            yield f"### {_TITLES[level]} ({len(findings)})"
            yield ""
            yield "| rule | change | location | fingerprint |"
            yield "| --- | --- | --- | --- |"
            yield from (_row(finding, view) for finding in findings)
            yield ""
    if lines := remarks(report):
        yield from (f"- {_escaped(remark)}" for remark in lines)
        yield ""


def _row(finding: Finding, view: View) -> str:
    lines = [_escaped(finding.message)]
    if operations_text := affected(finding):
        lines.append(f"in {_escaped(operations_text)}")
    if example_text := example(finding):
        lines.append(f"example: {_escaped(example_text)}")
    if finding.advice:
        lines.append(f"what to do: {_escaped(finding.advice)}")
    location = finding.shown_at or finding.location
    location_text = f"{view.file(location)}:{location.line}" if location else ""
    cells = [f"`{finding.rule}`", "<br>".join(lines), _escaped(location_text), f"`{finding.fingerprint}`"]
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return " ".join(_SPECIAL.sub(r"\\\1", text).split())
