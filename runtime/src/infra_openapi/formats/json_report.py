"""The output format `json`, for programs.

The file `report.schema.json` describes the format and has a version.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from infra_openapi.formats import Reports
from infra_openapi.formats.view import View, verdict
from infra_openapi.report import SCHEMA_VERSION


def render(reports: Reports, _view: View) -> str:
    """Return the reports as text with one JSON object.

    If two documents were compared, the object is the report. If declared APIs were compared, the object
    contains the reports in `apis` and the worst verdict in `verdict`.
    """
    data = {name: report.to_json() for name, report in reports.items()}
    whole = data.get("") or {
        "schema": SCHEMA_VERSION,
        "verdict": verdict(list(reports.values())),
        "apis": data,
    }
    return json.dumps(whole, indent=2, ensure_ascii=True, default=str) + "\n"


@cache
def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) that describes the result of `render`."""
    text = Path(__file__).with_name("report.schema.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content
