"""The report of a comparison: its findings, without the accepted ones, and its notes."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from infra_openapi.finding import Finding, Level, Note

#: The version of the JSON of `Report.to_json`; it increases when a key is removed or changes its meaning.
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """One entry of the file of accepted findings: fingerprint, reason, owner, dates.

    `rule` and `change` (the message) are for reviewers; only the fingerprint is compared.
    """

    fingerprint: str
    reason: str
    owner: str
    accepted: dt.date | None = None
    #: the last day of the acceptance; None means that it does not expire
    until: dt.date | None = None
    rule: str = ""
    change: str = ""
    file: str = ""
    line: int = 0

    @property
    def summary(self) -> str:
        """Return the message, the rule or the fingerprint: the first that the entry has."""
        return self.change or self.rule or self.fingerprint

    def lapsed(self, today: dt.date) -> bool:
        """Whether the last day of the acceptance has passed."""
        return self.until is not None and self.until < today

    def to_json(self) -> dict[str, Any]:
        """Return the entry as data for JSON."""
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
    """The result of applying the file of accepted findings to a report."""

    #: accepted findings, each with its entry
    accepted: tuple[tuple[Finding, Acceptance], ...] = ()
    #: entries whose last day has passed: their findings count again
    expired: tuple[Acceptance, ...] = ()
    #: entries without a finding, which can be removed
    stale: tuple[Acceptance, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the review as data for JSON."""
        accepted = [finding.to_json() | {"acceptance": entry.to_json()} for finding, entry in self.accepted]
        return {
            "count": len(accepted),
            "findings": accepted,
            "expired": [entry.to_json() for entry in self.expired],
            "stale": [entry.to_json() for entry in self.stale],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings, sorted by level, location and rule; equal input gives an equal report."""

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
        """Return `breaking`, `warning` or `compatible`: the worst level of the findings."""
        if self.counts[Level.BREAKING]:
            return "breaking"
        return "warning" if self.counts[Level.WARNING] else "compatible"

    @property
    def breaking(self) -> bool:
        """Whether a client that follows the base document can fail with the revision."""
        return bool(self.counts[Level.BREAKING])

    def expanded(self) -> Iterator[Finding]:
        """Yield each finding once for each affected operation."""
        for finding in self.findings:
            if not finding.operations:
                yield finding
            for operation in finding.operations:
                yield replace(finding, operations=(operation,))

    def to_json(self) -> dict[str, Any]:
        """Return the report as data for JSON; `schema` is the version of the format."""
        return {
            "schema": SCHEMA_VERSION,
            "verdict": self.verdict,
            "base": self.base,
            "revision": self.revision,
            "counts": {level.value: self.counts[level] for level in Level},
            "accepted": self.review.to_json(),
            "findings": [finding.to_json() for finding in self.findings],
            "notes": [note.to_json() for note in self.notes],
        }
