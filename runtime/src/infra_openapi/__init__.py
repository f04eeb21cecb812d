"""The OpenAPI compatibility check: compare two documents, and return a list of findings.

    report = compare(load("main.yaml"), load("openapi.yaml"))
    report.verdict      # "compatible", "warning" or "breaking"

`load` reads a document from a file, and also reads the files to which the document refers. `parse` reads a
document from a string (JSON or YAML) or from Python dictionaries and lists. Both functions raise
`CompareError` if the document cannot be read. The package does not depend on services, the command line or
pytest.

The module that defines a name is imported when the name is used for the first time. Importing only
`infra_openapi.errors` is therefore fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra_openapi.comparison import PRESETS, compare
    from infra_openapi.document import Document, Reader, load, parse
    from infra_openapi.errors import CompareError, OpenApiError
    from infra_openapi.finding import Direction, Finding, Level, Location, Note, Operation, Witness
    from infra_openapi.report import Report
    from infra_openapi.rules import RULES, Rule

__all__ = [
    "PRESETS",
    "RULES",
    "CompareError",
    "Direction",
    "Document",
    "Finding",
    "Level",
    "Location",
    "Note",
    "OpenApiError",
    "Operation",
    "Reader",
    "Report",
    "Rule",
    "Witness",
    "compare",
    "load",
    "parse",
]

#: public name → the module that defines the name; names without a row are in the module `finding`
_MODULES = {
    "PRESETS": "comparison",
    "RULES": "rules",
    "CompareError": "errors",
    "Document": "document",
    "OpenApiError": "errors",
    "Reader": "document",
    "Report": "report",
    "Rule": "rules",
    "compare": "comparison",
    "load": "document",
    "parse": "document",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'finding')}"), name)
