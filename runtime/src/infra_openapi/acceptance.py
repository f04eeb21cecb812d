"""What somebody took on purpose: the entries of the reviewed file, and what a review makes of a report."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra_openapi.finding import Finding


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
    def said(self) -> str:
        """The entry in a few words."""
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
    #: entries that nothing found any more: they may go
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
