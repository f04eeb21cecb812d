"""The report of a comparison: its findings, and what the file of accepted findings took out of them."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from infra_openapi.finding import Finding, Level, Note

#: The version of the JSON of `Report.to_json`: a new key keeps it, a changed or missing one raises it.
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """One entry: which finding, why, who answers for it, and until when.

    `rule` and `change` are for the people who review the file; the fingerprint alone decides.
    """

    fingerprint: str
    reason: str
    owner: str
    accepted: dt.date | None = None
    #: the last day on which it counts; without one it never ends
    until: dt.date | None = None
    rule: str = ""
    change: str = ""
    file: str = ""
    line: int = 0

    @property
    def summary(self) -> str:
        """The change, the rule or the fingerprint: the first that is known."""
        return self.change or self.rule or self.fingerprint

    def lapsed(self, today: dt.date) -> bool:
        """Whether its last day is over."""
        return self.until is not None and self.until < today

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
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
    """What the reviewed file did to a report."""

    #: findings that no longer count, each with its entry
    accepted: tuple[tuple[Finding, Acceptance], ...] = ()
    #: entries whose last day is over: their findings count again
    expired: tuple[Acceptance, ...] = ()
    #: entries without a finding: they can be removed
    stale: tuple[Acceptance, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain data: `count` first, for those who want nothing else."""
        accepted = [finding.to_json() | {"acceptance": entry.to_json()} for finding, entry in self.accepted]
        return {
            "count": len(accepted),
            "findings": accepted,
            "expired": [entry.to_json() for entry in self.expired],
            "stale": [entry.to_json() for entry in self.stale],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings in one order: the worst first, then by place and rule. The same input, the same bytes."""

    base: str
    revision: str
    findings: tuple[Finding, ...] = ()
    notes: tuple[Note, ...] = ()
    #: What a reviewed file took out of the findings.
    review: Review = field(default_factory=Review)
    counts: Counter[Level] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", Counter(finding.level for finding in self.findings))

    @property
    def verdict(self) -> str:
        """`breaking`, `warning` or `compatible`: the worst level that stands."""
        if self.counts[Level.BREAKING]:
            return "breaking"
        return "warning" if self.counts[Level.WARNING] else "compatible"

    @property
    def breaking(self) -> bool:
        """Whether a client that kept the old contract can fail under the new one."""
        return bool(self.counts[Level.BREAKING])

    def expanded(self) -> Iterator[Finding]:
        """The findings once for each operation, for those who look by operation and not by cause."""
        for finding in self.findings:
            if not finding.operations:
                yield finding
            for operation in finding.operations:
                yield replace(finding, operations=(operation,))

    def to_json(self) -> dict[str, Any]:
        """As plain data, in the documented shape; `schema` is its version."""
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
