"""Render reports in a format; the module of a format is imported when the format is used.

    render({"": report}, "markdown")

The keys of the reports are the names of the APIs that the stack file declares. The report about two documents
from the command line has the key "".
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TypeAlias

from infra_openapi.formats.view import View
from infra_openapi.report import Report

#: name of the format → module with the function `render(reports, view)`
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
    """Return reports as text in the output format `name`, such as `markdown`, with a newline at the end.

    Equal reports give equal texts.
    """
    text: str = import_module(f"{__name__}.{FORMATS[name]}").render(reports, view or View())
    return text
