"""The output format `sarif`, for code scanning; accepted findings are marked as suppressed.

Source: OASIS, SARIF 2.1.0.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from infra_openapi.finding import Finding, Level, Location
from infra_openapi.formats import Reports
from infra_openapi.formats.view import View, affected, example, heading
from infra_openapi.report import Acceptance, Report
from infra_openapi.rules import RULES

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Level.BREAKING: "error", Level.WARNING: "warning", Level.INFO: "note"}


def render(reports: Reports, view: View) -> str:
    """Return a SARIF log, which contains a SARIF run for each report."""
    runs = [_run(name, report, view) for name, report in reports.items()]
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": runs}
    return json.dumps(log, indent=2, default=str) + "\n"


def _run(name: str, report: Report, view: View) -> dict[str, Any]:
    entries: list[tuple[Finding, Acceptance | None]] = [
        (finding, None) for finding in view.visible_findings(report)
    ]
    entries += report.review.accepted
    rule_ids = sorted({finding.rule for finding, _ in entries})
    driver = {
        "name": "infra dev api-check",
        "version": view.version,
        "informationUri": "https://github.com/pytest-infra/pytest-infra",
        "rules": [_rule(rule) for rule in rule_ids],
    }
    return {
        "tool": {"driver": driver},
        # This id distinguishes the runs of several APIs in one upload.
        "automationDetails": {"id": f"infra-api-check/{quote(name or 'documents')}/"},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, entry, rule_ids, report.revision, view) for finding, entry in entries],
        "properties": {"compared": heading(name, report), "verdict": report.verdict},
    }


def _rule(name: str) -> dict[str, Any]:
    rule = RULES.get(name)
    descriptor: dict[str, Any] = {"id": name}
    if rule is not None:
        descriptor["fullDescription"] = {"text": rule.explain}
        descriptor["defaultConfiguration"] = {"level": _LEVELS[rule.level]}
        descriptor["properties"] = {"tags": [rule.area, rule.direction.value]}
    return descriptor


def _result(
    finding: Finding, entry: Acceptance | None, rule_ids: list[str], revision: str, view: View
) -> dict[str, Any]:
    lines = [finding.message]
    if operations_text := affected(finding):
        lines.append(f"In {operations_text}.")
    if example_text := example(finding):
        lines.append(f"Example: {example_text}.")
    if finding.advice:
        lines.append(f"What to do: {finding.advice}")
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": rule_ids.index(finding.rule),
        "level": _LEVELS[finding.level],
        "message": {"text": "\n".join(lines)},
        # Code scanning rejects a result without a location. An app has no file, so the location is the app's
        # name.
        "locations": [_location(finding.shown_at or Location(file=revision or "revision", pointer=""), view)],
        "partialFingerprints": {"infraApiCheck/v1": finding.fingerprint},
        "properties": {
            "operations": [str(operation) for operation in finding.operations],
            "base": finding.base.to_json() if finding.base else None,
            "revision": finding.revision.to_json() if finding.revision else None,
        },
    }
    if entry is not None:
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": entry.reason}]
    return result


def _location(location: Location, view: View) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote(view.file(location), errors="replace")}}
    if location.line:
        physical["region"] = {"startLine": location.line, "startColumn": max(location.column, 1)}
    return {"physicalLocation": physical}
