"""The output format `json`, for programs.

The file `report.schema.json` describes the format and has a version.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from infra_openapi.finding import Level
from infra_openapi.formats import Reports
from infra_openapi.formats.view import View, verdict
from infra_openapi.report import SCHEMA_VERSION, Report


def render(reports: Reports, _view: View) -> str:
    """Return the reports as a JSON object, which has the same keys for one and for several APIs.

    The object contains the findings of all levels.
    """
    return json.dumps(as_dictionary(reports), indent=2, ensure_ascii=True, default=str) + "\n"


def as_dictionary(reports: Mapping[str, Report]) -> dict[str, Any]:
    """Return the reports as a dictionary for JSON.

    The key `schema` contains the version of the format. Each finding, note and entry contains the name of its
    API. The name is empty if the command line names the two documents.
    """
    named_reports = list(reports.items())
    accepted = [
        {"api": name, **finding.to_json(), "acceptance": entry.to_json()}
        for name, report in named_reports
        for finding, entry in report.review.accepted
    ]
    return {
        "schema": SCHEMA_VERSION,
        "verdict": verdict(list(reports.values())),
        "counts": _counts(reports.values()),
        "apis": [
            {
                "name": name,
                "base": report.base,
                "revision": report.revision,
                "verdict": report.verdict,
                "counts": _counts([report]),
            }
            for name, report in named_reports
        ],
        "findings": [
            {"api": name, **finding.to_json()}
            for name, report in named_reports
            for finding in report.findings
        ],
        "accepted": {
            "count": len(accepted),
            "findings": accepted,
            "expired": [
                {"api": name, **entry.to_json()}
                for name, report in named_reports
                for entry in report.review.expired
            ],
            "stale": [
                {"api": name, **entry.to_json()}
                for name, report in named_reports
                for entry in report.review.stale
            ],
        },
        "notes": [{"api": name, **note.to_json()} for name, report in named_reports for note in report.notes],
    }


def _counts(reports: Iterable[Report]) -> dict[str, int]:
    all_reports = list(reports)
    return {level.value: sum(report.counts[level] for report in all_reports) for level in Level}


@cache
def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) that describes the result of `render`."""
    text = Path(__file__).with_name("report.schema.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content
