"""The report of a comparison: the findings that are not accepted, and notes about invalid parts."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from infra_openapi.finding import Finding, Level, Note

#: The version of the output format `json`. The version increases when a key is removed or changes its
#: meaning.
SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """An entry in the file of accepted findings: a finding that no longer makes the check fail.

    An entry applies to the finding that has or, in an earlier version of pytest-infra, had the same
    fingerprint. `rule` and `change` (the message of the finding) are information for reviewers and are not
    compared.
    """

    fingerprint: str
    reason: str
    owner: str
    accepted: dt.date | None = None
    #: the last day on which the finding is accepted; None means that the entry does not expire
    until: dt.date | None = None
    rule: str = ""
    change: str = ""
    file: str = ""
    line: int = 0

    @property
    def summary(self) -> str:
        """Return the string that names the entry in messages.

        The result is `change` (the message of the finding). If `change` is empty, the result is `rule`. If
        `rule` is empty too, the result is `fingerprint`.
        """
        return self.change or self.rule or self.fingerprint

    def lapsed(self, today: dt.date) -> bool:
        """Return whether the entry has expired, because `today` is later than its last valid day."""
        return self.until is not None and self.until < today

    def to_json(self) -> dict[str, Any]:
        """Return the entry of the file of accepted findings as a dictionary for JSON."""
        return {
            "fingerprint": self.fingerprint,
            "rule": self.rule,
            "change": self.change,
            "reason": self.reason,
            "owner": self.owner,
            "accepted": self.accepted.isoformat() if self.accepted else None,
            "until": self.until.isoformat() if self.until else None,
            "file": self.file,
            "line": self.line,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """The accepted findings of a report, and the expired and stale entries in the file of accepted findings.

    An entry is stale if it applies to no finding of the report.
    """

    #: accepted findings, each with its entry in the file
    accepted: tuple[tuple[Finding, Acceptance], ...] = ()
    #: expired entries: their last day has passed, so their findings are reported again
    expired: tuple[Acceptance, ...] = ()
    #: stale entries: they apply to no finding, so they can be removed
    stale: tuple[Acceptance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The findings of a comparison, sorted by level, location and rule.

    With the same settings and the same date, the same two documents always give an equal report.
    """

    base: str
    revision: str
    findings: tuple[Finding, ...] = ()
    notes: tuple[Note, ...] = ()
    #: The accepted findings, and the expired and stale entries.
    review: Review = field(default_factory=Review)
    counts: Counter[Level] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", Counter(finding.level for finding in self.findings))

    @property
    def verdict(self) -> str:
        """Return `breaking` or `warning`, the worst level of the findings; otherwise `compatible`."""
        if self.counts[Level.BREAKING]:
            return "breaking"
        return "warning" if self.counts[Level.WARNING] else "compatible"

    @property
    def breaking(self) -> bool:
        """Return whether a finding of the report has the level `breaking`."""
        return bool(self.counts[Level.BREAKING])

    def expanded(self) -> Iterator[Finding]:
        """Yield each finding once for each operation that it affects; once if it affects no operation."""
        for finding in self.findings:
            if not finding.operations:
                yield finding
            for operation in finding.operations:
                yield replace(finding, operations=(operation,))
