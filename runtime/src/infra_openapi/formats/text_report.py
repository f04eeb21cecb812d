"""The output format `text`, for a terminal.

Each finding is shown with its location, operations, example and fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterator

from infra_openapi.finding import Finding, Level
from infra_openapi.formats import Reports
from infra_openapi.formats.view import View, affected, example, heading, remarks, total
from infra_openapi.report import Report

# Source: ECMA-48, select graphic rendition.
_STYLES = {"breaking": "31;1", "warning": "33", "info": "36", "compatible": "32", "dim": "2", "bold": "1"}
#: The control characters, which are replaced because a terminal would execute them.
_CONTROL = {number: f"\\x{number:02x}" for number in [*range(32), *range(127, 160)]}


def render(reports: Reports, view: View) -> str:
    """Return a text with a paragraph for each finding of the reports, and a line with the totals."""
    blocks = ["\n".join(_report(name, report, view)) for name, report in reports.items()]
    return "\n\n".join(blocks) + "\n"


def _report(name: str, report: Report, view: View) -> Iterator[str]:
    yield _styled(_plain(heading(name, report)), "bold", view)
    yield ""
    for finding in view.shown(report):
        yield from _finding(finding, view)
    for remark in remarks(report):
        yield _styled(f"note: {_plain(remark)}", "dim", view)
    if remarks(report):
        yield ""
    hidden = view.hidden(report)
    more = f" ({hidden} not shown)" if hidden else ""
    yield f"{_styled(report.verdict, report.verdict, view)}: {total(report)}{more}"


def _finding(finding: Finding, view: View) -> Iterator[str]:
    level = _styled(finding.level.value, finding.level.value, view)
    location = finding.shown_at or finding.location
    where = f"  {_plain(str(location))}" if location else ""
    yield f"{level}  {finding.rule}{_styled(where, 'dim', view)}"
    yield f"    {_plain(finding.message)}"
    if named := affected(finding):
        yield f"    in {_plain(named)}"
    if shown := example(finding):
        yield f"    example: {_plain(shown)}"
    if finding.advice:
        yield f"    what to do: {_plain(finding.advice)}"
    if finding.copies:
        yield f"    the same content is in {len(finding.copies)} more places"
    if finding.level is not Level.INFO:
        yield _styled(f"    fingerprint {finding.fingerprint}", "dim", view)
    yield ""


def _plain(text: str) -> str:
    return text.translate(_CONTROL)


def _styled(text: str, style: str, view: View) -> str:
    if not view.colour or not text.strip():
        return text
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"
