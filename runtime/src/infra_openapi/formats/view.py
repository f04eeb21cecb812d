"""The options of the output formats, and the texts for operations, examples and totals in all formats."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra_openapi.finding import Direction, Finding, Level, Location
from infra_openapi.report import Report

_MAX_OPERATIONS = 5
_MAX_VALUE_LENGTH = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The options of the output formats, such as the levels to show."""

    #: the lowest level that is shown; findings of a lower level are at most counted, except in the format
    #: `json`, which contains all findings; accepted findings do not depend on it
    level: Level = Level.INFO
    #: the lowest level that counts as a failure, in formats with passed and failed results
    failing: Level = Level.BREAKING
    #: the path of the working directory relative to the root of the repository; CI servers expect paths
    #: relative to this root
    folder: str = ""
    #: whether the output contains terminal colours; only the format `text` has colours
    colour: bool = False
    #: the version of pytest-infra, for formats that contain the version of the program
    version: str = "0"

    def visible_findings(self, report: Report) -> Iterator[Finding]:
        """Yield those findings of a report that the options do not hide, in the order of the report."""
        return (finding for finding in report.findings if finding.level.severity >= self.level.severity)

    def hidden_count(self, report: Report) -> int:
        """Return the number of findings of a report that the options hide."""
        return len(report.findings) - sum(1 for _ in self.visible_findings(report))

    def file(self, location: Location) -> str:
        """Return the path of the file in a location, relative to the root of the repository."""
        return (
            posixpath.normpath(posixpath.join(self.folder, location.file)) if self.folder else location.file
        )


def operations(finding: Finding, max_operations: int = _MAX_OPERATIONS) -> str:
    """Return a text with the operations that a finding affects.

    At most `max_operations` operations are listed.
    """
    names = ", ".join(str(operation) for operation in finding.operations[:max_operations])
    remaining_count = len(finding.operations) - max_operations
    return f"{names} and {remaining_count} more" if remaining_count > 0 else names


def affected(finding: Finding) -> str:
    """Return a text with the operations that a finding affects.

    The text is empty if the finding affects no operation, or one operation that its message already contains.
    """
    if len(finding.operations) == 1:
        operation_pattern = re.escape(str(finding.operations[0]))
        if re.search(rf"{operation_pattern}(?![\w/{{.-])", finding.message):
            return ""
    return operations(finding)


def example(finding: Finding) -> str:
    """Return a sentence about the example value of a finding; an empty text if the finding has no example."""
    if finding.witness is None:
        return ""
    condition = {
        Direction.REQUEST: "was accepted before and is rejected now",
        Direction.RESPONSE: "is possible now and was not possible before",
        Direction.NONE: "shows the difference",
    }[finding.witness.kind]
    return f"{value(finding.witness.value)} {condition}"


def value(content: Any) -> str:
    """Return a value as JSON text for a message, shortened to at most 400 characters."""
    text = json.dumps(content, ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE_LENGTH else text[: _MAX_VALUE_LENGTH - 1] + "…"


def heading(name: str, report: Report) -> str:
    """Return the heading of a report: the name of the API, if it has one, and the names of both documents."""
    compared = f"{report.base} → {report.revision}"
    return f"{name}: {compared}" if name else compared


def total(report: Report) -> str:
    """Return a text with the number of findings of each level, and of accepted findings, in a report."""
    parts = [f"{report.counts[level]} {level.value}" for level in Level]
    if report.review.accepted:
        parts.append(f"{len(report.review.accepted)} accepted")
    return ", ".join(parts)


def remarks(report: Report) -> list[str]:
    """Return a line for each expired or stale entry in the file of accepted findings, and for each note.

    An entry is stale if it applies to no finding of the report. A note describes an invalid part of a
    document.
    """
    expired = [
        f"{entry.file}:{entry.line}: the acceptance expired on {entry.until}: {entry.summary}"
        for entry in report.review.expired
    ]
    stale = [
        f"{entry.file}:{entry.line}: no finding matches this entry, so it can be removed: {entry.summary}"
        for entry in report.review.stale
    ]
    notes = [f"{note.file}:{note.line}: {note.pointer or '/'}: {note.message}" for note in report.notes]
    return [*expired, *stale, *notes]


def verdict(reports: list[Report]) -> str:
    """Return the worst verdict of several reports: `breaking`, `warning` or `compatible`."""
    verdicts = {report.verdict for report in reports}
    return next((level for level in ("breaking", "warning") if level in verdicts), "compatible")
