"""The output format `junit`, for CI servers.

A report is a test suite, and a breaking change is a failed test case. With `--fail-on warning`, a warning is
a failed test case, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from infra_openapi.finding import Finding
from infra_openapi.formats import Reports
from infra_openapi.formats.view import View, affected, example, heading
from infra_openapi.report import Report

#: The characters that XML 1.0 does not allow.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(reports: Reports, view: View) -> str:
    """Return the reports as JUnit XML, with a test case for each shown and each accepted finding.

    A report without such findings has one test case, which has passed. An accepted finding is a skipped test
    case with the reason. The test case of any other finding has failed or passed, depending on the level of
    the finding.
    """
    suites = [line for name, report in reports.items() for line in _suite(name, report, view)]
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<testsuites>", *suites, "</testsuites>"]
    return "\n".join(lines) + "\n"


def _suite(name: str, report: Report, view: View) -> Iterator[str]:
    findings = list(view.visible_findings(report))
    accepted = report.review.accepted
    # Some CI servers report an error if a test suite has no test case.
    cases = len(findings) + len(accepted) or 1
    failures = sum(_fails(finding, view) for finding in findings)
    title = _attribute(heading(name, report))
    sums = f'tests="{cases}" failures="{failures}" errors="0" skipped="{len(accepted)}"'
    yield f"  <testsuite name={title} {sums}>"
    if not findings and not accepted:
        yield '    <testcase classname="api-check" name="compatible"/>'
    for finding in findings:
        yield f"    <testcase {_name_attributes(finding)}>"
        if _fails(finding, view):
            yield f"      <failure message={_attribute(finding.message)}>{_text(finding)}</failure>"
        else:
            yield f"      <system-out>{_text(finding)}</system-out>"
        yield "    </testcase>"
    for finding, entry in accepted:
        reason = _attribute(f"accepted by {entry.owner}: {entry.reason}")
        yield f"    <testcase {_name_attributes(finding)}>"
        yield f"      <skipped message={reason}/>"
        yield "    </testcase>"
    yield "  </testsuite>"


def _fails(finding: Finding, view: View) -> bool:
    return finding.level.severity >= view.failing.severity


def _name_attributes(finding: Finding) -> str:
    group = _attribute(str(finding.operations[0]) if finding.operations else "api-check")
    return f"classname={group} name={_attribute(f'{finding.rule} {finding.subject}'.strip())}"


def _text(finding: Finding) -> str:
    lines = [f"{finding.level.value}: {finding.message}"]
    if operations_text := affected(finding):
        lines.append(f"in {operations_text}")
    if example_text := example(finding):
        lines.append(f"example: {example_text}")
    if finding.advice:
        lines.append(f"what to do: {finding.advice}")
    if finding.location:
        lines.append(f"at {finding.shown_at or finding.location}")
    lines.append(f"fingerprint {finding.fingerprint}")
    return escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", "\n".join(lines)))


def _attribute(text: str) -> str:
    return quoteattr(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text))
