"""The OpenAPI compatibility check: two documents in, a list of changes out. Knows no service.

    report = compare(load("main.yaml"), load("openapi.yaml"))
    report.verdict      # "compatible", "warning" or "breaking"

`load` reads a file (and what it refers to), `parse` takes a text or plain data; both raise `CompareError`.
"""

from __future__ import annotations

from infra_runtime.openapi.comparison import PRESETS, compare
from infra_runtime.openapi.document import Document, Reader, load, parse
from infra_runtime.openapi.errors import CompareError
from infra_runtime.openapi.finding import Direction, Finding, Level, Note, Operation, Origin, Report, Witness
from infra_runtime.openapi.rules import RULES, Rule

__all__ = [
    "PRESETS",
    "RULES",
    "CompareError",
    "Direction",
    "Document",
    "Finding",
    "Level",
    "Note",
    "Operation",
    "Origin",
    "Reader",
    "Report",
    "Rule",
    "Witness",
    "compare",
    "load",
    "parse",
]
