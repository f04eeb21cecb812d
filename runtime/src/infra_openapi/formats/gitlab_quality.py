"""The output format `gitlab`: a Code Quality report for GitLab.

Source: GitLab's documentation, "Code Quality".
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from infra_openapi.finding import Finding, Level
from infra_openapi.formats import Reports
from infra_openapi.formats.view import View, affected

_SEVERITIES = {Level.BREAKING: "blocker", Level.WARNING: "minor", Level.INFO: "info"}


def render(reports: Reports, view: View) -> str:
    """Return the shown findings of all reports as one JSON list, because GitLab requires one list."""
    key_counts: Counter[str] = Counter()
    issues = []
    for name, report in reports.items():
        for finding in view.visible_findings(report):
            # GitLab ignores an issue if another issue of the list has the same fingerprint.
            key = f"{name}/{finding.fingerprint}" if name else finding.fingerprint
            key_counts[key] += 1
            unique_key = key if key_counts[key] == 1 else f"{key}/{key_counts[key]}"
            issues.append(_issue(finding, report.revision, unique_key, view))
    return json.dumps(issues, indent=2) + "\n"


def _issue(finding: Finding, revision: str, fingerprint: str, view: View) -> dict[str, Any]:
    operations_text = affected(finding)
    location = finding.shown_at
    return {
        "description": f"{finding.message} (in {operations_text})" if operations_text else finding.message,
        # GitLab displays the description of an issue and its `content`, which is Markdown.
        "content": {"body": f"What to do: {finding.advice}"},
        "check_name": finding.rule,
        "fingerprint": fingerprint,
        "severity": _SEVERITIES[finding.level],
        "location": {
            "path": view.file(location) if location else revision,
            "lines": {"begin": max(location.line, 1) if location else 1},
        },
    }
