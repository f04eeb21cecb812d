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
    """Return the reports as a JSON object, which has the same keys for one and for several APIs."""
    return json.dumps(plain(reports), indent=2, ensure_ascii=True, default=str) + "\n"


def plain(reports: Mapping[str, Report]) -> dict[str, Any]:
    """Return the reports as a dictionary for JSON.

    The key `schema` contains the version of the format. Each finding, note and entry has the name of its API,
    which is empty for two documents of the command line.
    """
    named = list(reports.items())
    accepted = [
        {"api": name, **finding.to_json(), "acceptance": entry.to_json()}
        for name, report in named
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
            for name, report in named
        ],
        "findings": [
            {"api": name, **finding.to_json()} for name, report in named for finding in report.findings
        ],
        "accepted": {
            "count": len(accepted),
            "findings": accepted,
            "expired": [
                {"api": name, **entry.to_json()} for name, report in named for entry in report.review.expired
            ],
            "stale": [
                {"api": name, **entry.to_json()} for name, report in named for entry in report.review.stale
            ],
        },
        "notes": [{"api": name, **note.to_json()} for name, report in named for note in report.notes],
    }


def _counts(reports: Iterable[Report]) -> dict[str, int]:
    every = list(reports)
    return {level.value: sum(report.counts[level] for report in every) for level in Level}


@cache
def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) that describes the result of `render`."""
    text = Path(__file__).with_name("report.schema.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content
