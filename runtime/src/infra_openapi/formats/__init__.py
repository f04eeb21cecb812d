"""A report as text of one kind or another: pure functions, one small module each, imported when asked for.

    render({"": report}, "markdown")

The reports come by the names of their APIs; two documents that were merely given have none, which is "".
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TypeAlias

from infra_openapi.formats.view import View
from infra_openapi.report import Report

#: name → module with `render(reports, view)`
FORMATS: Mapping[str, str] = {
    "text": "text_report",
    "json": "json_report",
    "markdown": "markdown_report",
    "html": "html_report",
    "github": "github_annotations",
    "sarif": "sarif_log",
    "junit": "junit_suites",
    "gitlab": "gitlab_quality",
}
Reports: TypeAlias = Mapping[str, Report]

__all__ = ["FORMATS", "Reports", "View", "render"]


def render(reports: Reports, name: str, view: View | None = None) -> str:
    """The reports in a format, with a newline at the end. The same reports make the same text."""
    made: str = import_module(f"{__name__}.{FORMATS[name]}").render(reports, view or View())
    return made
