"""What formats have in common: what is shown, and how locations, operations and sums are written."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra_openapi.finding import Direction, Finding, Level, Location
from infra_openapi.report import Report

_MOST_OPERATIONS = 5
_LONGEST_VALUE = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is shown, and how."""

    #: the least level; what is below is counted and not shown
    level: Level = Level.INFO
    #: the least level that fails, for formats that distinguish passed from failed
    failing: Level = Level.BREAKING
    #: the working directory as seen from the top of the repository, where CI looks for files
    folder: str = ""
    #: terminal colours; for text alone
    colour: bool = False
    #: of the program, for logs that name it
    version: str = "0"

    def shown(self, report: Report) -> Iterator[Finding]:
        """The findings to show, in the report's order."""
        return (finding for finding in report.findings if finding.level.severity >= self.level.severity)

    def hidden(self, report: Report) -> int:
        """How many are not shown."""
        return len(report.findings) - sum(1 for _ in self.shown(report))

    def file(self, location: Location) -> str:
        """Return the file of a location, from the top of the repository."""
        return (
            posixpath.normpath(posixpath.join(self.folder, location.file)) if self.folder else location.file
        )


def operations(finding: Finding, most: int = _MOST_OPERATIONS) -> str:
    """What the change reaches, for people."""
    named = ", ".join(str(operation) for operation in finding.operations[:most])
    more = len(finding.operations) - most
    return f"{named} and {more} more" if more > 0 else named


def reached(finding: Finding) -> str:
    """What the change reaches; empty where the message has named all of it."""
    if len(finding.operations) == 1:
        named = re.escape(str(finding.operations[0]))
        if re.search(rf"{named}(?![\w/{{.-])", finding.message):
            return ""
    return operations(finding)


def example(finding: Finding) -> str:
    """The witness as a sentence; empty where there is none."""
    if finding.witness is None:
        return ""
    condition = {
        Direction.REQUEST: "was accepted, and is refused now",
        Direction.RESPONSE: "is possible now, and was not before",
        Direction.NONE: "makes the difference",
    }[finding.witness.kind]
    return f"{value(finding.witness.value)} {condition}"


def value(given: Any) -> str:
    """A JSON value, cut where it is too long to be read."""
    text = json.dumps(given, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def heading(name: str, report: Report) -> str:
    """What was compared with what."""
    compared = f"{report.base} → {report.revision}"
    return f"{name}: {compared}" if name else compared


def total(report: Report) -> str:
    """The sums in one line; what was accepted stays visible."""
    parts = [f"{report.counts[level]} {level.value}" for level in Level]
    if report.review.accepted:
        parts.append(f"{len(report.review.accepted)} accepted")
    return ", ".join(parts)


def remarks(report: Report) -> list[str]:
    """Return the remaining lines: expired and stale entries, and the notes of the documents."""
    expired = [
        f"{entry.file}:{entry.line}: accepted until {entry.until}, counts again: {entry.summary}"
        for entry in report.review.expired
    ]
    stale = [
        f"{entry.file}:{entry.line}: nothing was found for this entry, it may go: {entry.summary}"
        for entry in report.review.stale
    ]
    notes = [f"{note.file}:{note.line}: {note.pointer or '/'} {note.message}" for note in report.notes]
    return [*expired, *stale, *notes]


def verdict(reports: list[Report]) -> str:
    """The worst of several verdicts."""
    found = {report.verdict for report in reports}
    return next((word for word in ("breaking", "warning") if word in found), "compatible")
