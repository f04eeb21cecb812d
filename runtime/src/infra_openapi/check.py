"""The complete API check: compare two documents, apply accepted findings, determine the lines to show."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from infra_openapi import baseline
from infra_openapi.comparison import compare
from infra_openapi.document import Document
from infra_openapi.document.pointer import escaped
from infra_openapi.finding import Finding, Level, Location
from infra_openapi.report import Report
from infra_openapi.sources import Opened

#: The ends of the ids of those rules that concern the list `required` of a schema.
_REQUIRED = ("-became-required", "-became-optional")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The settings of an API check: the levels of rules, and the file with the accepted findings."""

    preset: str = "default"
    rules: Mapping[str, Level | str] = field(default_factory=dict)
    accepted: Path | None = None


def check(
    base: Opened, revision: Opened, policy: Policy | None = None, *, today: dt.date | None = None
) -> Report:
    """Compare two documents, and return a report that does not contain the accepted findings.

    Raises:
        CompareError: a document, a level or the file of accepted findings is invalid.
    """
    policy, today = policy or Policy(), today or _today()
    report = compare(
        base.document, revision.document, preset=policy.preset, overrides=policy.rules, today=today
    )
    findings = tuple(
        replace(finding, shown_at=_shown_at(finding, base, revision)) for finding in report.findings
    )
    report = replace(report, base=base.name, revision=revision.name, findings=findings)
    if policy.accepted is None:
        return report
    return baseline.apply(report, baseline.read(policy.accepted), today)


def _today() -> dt.date:
    return dt.datetime.now(tz=dt.UTC).date()


def _shown_at(finding: Finding, base: Opened, revision: Opened) -> Location | None:
    """Return the location that a finding shows to the user.

    The location is in the new document if this document is a file, otherwise in the old document.
    """
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


def _changed(finding: Finding, document: Document, location: Location, other: Any) -> Location:
    """Return the location of the changed keyword, whose name is part of the rule's id.

    The location of a finding is a schema, which can have many lines; only one line contains the changed
    keyword.
    """
    value = document.written_at(location)
    head, _, name = location.pointer.rpartition("/properties/")
    if name and "/" not in name and finding.rule.endswith(_REQUIRED):
        listed = document.written_at(replace(location, pointer=f"{head}/required"))
        return (
            document.location(location.file, f"{head}/required{_item(listed, finding)}")
            if listed
            else location
        )
    if not isinstance(value, dict) or not isinstance(other, dict):
        return location
    named = [key for key in value if value[key] != other.get(key) and _names(finding.rule, key)]
    if not named:
        return location
    key = max(named, key=len)
    return document.location(location.file, f"{location.pointer}/{escaped(key)}{_item(value[key], finding)}")


def _item(value: Any, finding: Finding) -> str:
    """Return `/` and the index of the member of the list `value` that a finding is about, such as `/2`.

    `value` is the value of a keyword such as `enum` or `required`. The result is the last part of a JSON
    pointer; it is empty if `value` is not a list or does not contain the member.
    """
    listed = finding.after if finding.before is None else finding.before
    names = {finding.subject}
    if isinstance(listed, list) and "enum-value" in finding.rule:  # the first one of several values
        names = {json.dumps(name, ensure_ascii=False) for name in listed}
    for number, name in enumerate(value if isinstance(value, list) else ()):
        if names & {name if isinstance(name, str) else "", json.dumps(name, ensure_ascii=False)}:
            return f"/{number}"
    return ""


def _names(rule: str, keyword: str) -> bool:
    """Return whether the id of a rule contains a keyword, such as `maxLength`.

    The id `request-max-length-decreased` contains `maxLength`.
    """
    dashed = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", keyword).lower()
    before, match, after = rule.partition(dashed)
    return bool(match) and not (before[-1:] + after[:1]).strip("-")


def _nearest(document: Document, gone: Location | None) -> Location:
    """Return the location of the nearest existing parent of a removed part.

    `gone` is the location in the other document, and the result is a location in `document`.
    """
    pointer = gone.pointer if gone else ""
    for file in [gone.file] if gone else []:
        location = document.location(file, pointer)
        if location.line:
            return location
    return document.location(document.name, pointer)
