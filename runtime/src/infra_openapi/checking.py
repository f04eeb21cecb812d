"""The whole check: open both sides, compare, apply what was accepted, find where to show each finding."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from infra_openapi import accepting
from infra_openapi.comparison import compare
from infra_openapi.document import Document
from infra_openapi.document.pointer import escaped
from infra_openapi.finding import Finding, Level, Origin
from infra_openapi.report import Report
from infra_openapi.sources import Opened

#: rules of a property that are about the list which its schema has
_REQUIRED = ("-became-required", "-became-optional")


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
        if side.path is not None and own is not None and other is not None:
            there = base if side is revision else revision
            return _changed(finding, side.document, own, there.document.written_at(other))
        if side.path is not None:
            return own or _nearest(side.document, other)
    return None


def _changed(finding: Finding, document: Document, place: Origin, other: Any) -> Origin:
    """The line of the keyword that the rule is named for, where it is there and differs from the other side.

    A finding's own place is its schema, which may be long; what somebody edited is one line in it.
    """
    value = document.written_at(place)
    head, _, name = place.pointer.rpartition("/properties/")
    if name and "/" not in name and finding.rule.endswith(_REQUIRED):
        listed = document.written_at(replace(place, pointer=f"{head}/required"))
        return document.origin(place.file, f"{head}/required{_item(listed, finding)}") if listed else place
    if not isinstance(value, dict) or not isinstance(other, dict):
        return place
    words = f"-{finding.rule}-"
    named = [key for key in value if f"-{_kebab(key)}-" in words and value[key] != other.get(key)]
    if not named:
        return place
    key = max(named, key=len)
    return document.origin(place.file, f"{place.pointer}/{escaped(key)}{_item(value[key], finding)}")


def _item(value: Any, finding: Finding) -> str:
    """The member of a list that a finding is about, as the end of a pointer."""
    for number, each in enumerate(value if isinstance(value, list) else ()):
        if finding.subject in {each if isinstance(each, str) else "", json.dumps(each, ensure_ascii=False)}:
            return f"/{number}"
    return ""


def _kebab(key: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", key).lower()


def _nearest(document: Document, gone: Origin | None) -> Origin:
    """What is left around a place of the other document."""
    pointer = gone.pointer if gone else ""
    for file in [gone.file] if gone else []:
        found = document.origin(file, pointer)
        if found.line:
            return found
    return document.origin(document.name, pointer)
