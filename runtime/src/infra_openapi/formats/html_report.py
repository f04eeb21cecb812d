"""The output format `html`: one page without external scripts, images and fonts."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from infra_openapi.finding import Finding, Level
from infra_openapi.formats import Reports
from infra_openapi.formats.view import View, affected, example, heading, operations, remarks, total
from infra_openapi.formats.view import verdict as worst
from infra_openapi.report import Report

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --breaking: #c5221f; --warning: #b06000; --info: #1967d2; }
@media (prefers-color-scheme: dark) { :root { --breaking: #f28b82; --warning: #fdd663; --info: #8ab4f8; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
article { border-left: 4px solid var(--line); padding: .1rem 1rem; margin: 1rem 0; }
article.breaking { border-color: var(--breaking); }
article.warning { border-color: var(--warning); }
article.info { border-color: var(--info); }
article p { margin: .3rem 0; overflow-wrap: anywhere; }
.level { font-weight: 600; }
.breaking .level { color: var(--breaking); }
.warning .level { color: var(--warning); }
.info .level { color: var(--info); }
summary { cursor: pointer; }
.quiet { opacity: .7; font-size: .875rem; }
""".strip()

#: The maximum lengths of lists that are displayed unfolded: operations of a finding, and findings of
#: a level other than breaking.
_MAX_UNFOLDED, _MAX_UNFOLDED_FINDINGS = 5, 20


def render(reports: Reports, view: View) -> str:
    """Return the reports as one HTML page."""
    verdict = worst(list(reports.values()))
    body = "\n".join(line for name, report in reports.items() for line in _report(name, report, view))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>API check: {verdict}</title>
<style>
{_STYLE}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def _report(name: str, report: Report, view: View) -> Iterator[str]:
    yield f"<h1>{escape(heading(name, report))}</h1>"
    yield f"<p><strong>{report.verdict}</strong>: {total(report)}</p>"
    visible_findings = list(view.visible_findings(report))
    for level in Level:
        findings = [finding for finding in visible_findings if finding.level is level]
        if findings:
            # Breaking findings are always unfolded; a long list of other findings is folded.
            open_attribute = (
                " open" if level is Level.BREAKING or len(findings) <= _MAX_UNFOLDED_FINDINGS else ""
            )
            yield f"<details{open_attribute}><summary>{len(findings)} {level.value}</summary>"
            for finding in findings:
                yield from _finding(finding)
            yield "</details>"
    lines = remarks(report)
    if lines:
        yield "<h2>Notes</h2>"
        yield "<ul>"
        yield from (f"<li>{escape(remark)}</li>" for remark in lines)
        yield "</ul>"


def _finding(finding: Finding) -> Iterator[str]:
    yield f'<article class="{finding.level.value}">'
    yield f'<p><span class="level">{finding.level.value}</span> <code>{escape(finding.rule)}</code></p>'
    yield f"<p>{escape(finding.message)}</p>"
    if affected(finding):
        yield from _folded(f"in {operations(finding)}", [str(operation) for operation in finding.operations])
    if example_text := example(finding):
        yield f"<p>example: <code>{escape(example_text)}</code></p>"
    if finding.advice:
        yield f"<p>what to do: {escape(finding.advice)}</p>"
    if finding.copies:
        number = len(finding.copies)
        yield from _folded(
            f"the same content is in {number} more locations", list(map(str, finding.copies)), 0
        )
    locations = [str(location) for location in (finding.base, finding.revision) if location]
    yield f'<p class="quiet">{escape(" → ".join(locations))} · {finding.fingerprint}</p>'
    yield "</article>"


def _folded(summary: str, members: list[str], max_unfolded: int = _MAX_UNFOLDED) -> Iterator[str]:
    """Yield the HTML of `summary`, followed by a folded list if `members` has more than `max_unfolded` items.

    Without the list, the HTML contains only `summary`.
    """
    if len(members) <= max_unfolded:
        yield f"<p>{escape(summary)}</p>"
        return
    yield f"<details><summary>{escape(summary)}</summary>"
    yield f"<ul>{''.join(f'<li>{escape(member)}</li>' for member in members)}</ul>"
    yield "</details>"
