"""The output format `text`, for a terminal.

Each finding is shown with its location, operations and example, and, unless its level is info, its
fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterator

from infra_openapi.finding import Finding, Level
from infra_openapi.formats import Reports
from infra_openapi.formats.view import View, affected, example, heading, remarks, total
from infra_openapi.report import Report

# Source: ECMA-48, select graphic rendition.
_STYLES = {"breaking": "31;1", "warning": "33", "info": "36", "compatible": "32", "dim": "2", "bold": "1"}
#: Control characters → their escape sequences as text, because a terminal would execute control characters.
_CONTROL = {number: f"\\x{number:02x}" for number in [*range(32), *range(127, 160)]}


def render(reports: Reports, view: View) -> str:
    """Return a text with a paragraph for each finding of the reports, and a line with the totals."""
    blocks = ["\n".join(_report(name, report, view)) for name, report in reports.items()]
    return "\n\n".join(blocks) + "\n"


def _report(name: str, report: Report, view: View) -> Iterator[str]:
    yield _styled(_plain(heading(name, report)), "bold", view)
    yield ""
    for finding in view.visible_findings(report):
        yield from _finding(finding, view)
    for remark in remarks(report):
        yield _styled(f"note: {_plain(remark)}", "dim", view)
    if remarks(report):
        yield ""
    hidden_count = view.hidden_count(report)
    hidden_text = f" ({hidden_count} not shown)" if hidden_count else ""
    yield f"{_styled(report.verdict, report.verdict, view)}: {total(report)}{hidden_text}"


def _finding(finding: Finding, view: View) -> Iterator[str]:
    level = _styled(finding.level.value, finding.level.value, view)
    location = finding.shown_at or finding.location
    location_text = f"  {_plain(str(location))}" if location else ""
    yield f"{level}  {finding.rule}{_styled(location_text, 'dim', view)}"
    yield f"    {_plain(finding.message)}"
    if operations_text := affected(finding):
        yield f"    in {_plain(operations_text)}"
    if example_text := example(finding):
        yield f"    example: {_plain(example_text)}"
    if finding.advice:
        yield f"    what to do: {_plain(finding.advice)}"
    if finding.copies:
        yield f"    the same content is in {len(finding.copies)} more locations"
    if finding.level is not Level.INFO:
        yield _styled(f"    fingerprint {finding.fingerprint}", "dim", view)
    yield ""


def _plain(text: str) -> str:
    return text.translate(_CONTROL)


def _styled(text: str, style: str, view: View) -> str:
    if not view.colour or not text.strip():
        return text
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"
