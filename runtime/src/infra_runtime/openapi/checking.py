"""The whole check: open both sides, compare, apply what was accepted, find where to show each finding."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from infra_runtime.openapi import accepting
from infra_runtime.openapi.comparison import compare
from infra_runtime.openapi.document import Document
from infra_runtime.openapi.finding import Finding, Level, Origin, Report
from infra_runtime.openapi.sources import Opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How changes are judged: a preset, levels of single rules, and the file of what was accepted."""

    preset: str = "default"
    rules: Mapping[str, Level | str] = field(default_factory=dict)
    accepted: Path | None = None


def check(
    base: Opened, revision: Opened, policy: Policy | None = None, *, today: dt.date | None = None
) -> Report:
    """What changed, without what was accepted, each finding with its place in the working tree.

    Raises:
        CompareError: a side, an override or the file of accepted findings cannot be understood.
    """
    policy, today = policy or Policy(), today or _today()
    report = compare(
        base.document, revision.document, preset=policy.preset, overrides=policy.rules, today=today
    )
    findings = tuple(replace(finding, place=_place(finding, base, revision)) for finding in report.findings)
    report = replace(report, base=base.name, revision=revision.name, findings=findings)
    if policy.accepted is None:
        return report
    return accepting.apply(report, accepting.read(policy.accepted), today)


def _today() -> dt.date:
    return dt.datetime.now(tz=dt.UTC).date()


def _place(finding: Finding, base: Opened, revision: Opened) -> Origin | None:
    """Where to show it: in the revision's file, or in the base's where the revision has none."""
    for side, own, other in (
        (revision, finding.revision, finding.base),
        (base, finding.base, finding.revision),
    ):
        if side.path is not None:
            return own or _nearest(side.document, other)
    return None


def _nearest(document: Document, gone: Origin | None) -> Origin:
    """What is left around a place of the other document."""
    pointer = gone.pointer if gone else ""
    for file in [gone.file] if gone else []:
        found = document.origin(file, pointer)
        if found.line:
            return found
    return document.origin(document.name, pointer)
