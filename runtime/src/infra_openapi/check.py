"""The complete API check: compare documents, apply accepted findings, determine the lines of findings."""

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

#: The endings of rule ids; for a property, a rule with this ending is about the list `required`.
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
    """Return the location that the output shows for a finding; None if neither document is a file.

    The location is in the new document if this document is a file, otherwise in the old document.
    """
    for source, location, other_location in (
        (revision, finding.revision, finding.base),
        (base, finding.base, finding.revision),
    ):
        if source.path is not None and location is not None and other_location is not None:
            other_source = base if source is revision else revision
            return _keyword_location(
                finding, source.document, location, other_source.document.written_at(other_location)
            )
        if source.path is not None:
            return location or _nearest_parent(source.document, other_location)
    return None


def _keyword_location(finding: Finding, document: Document, location: Location, other_value: Any) -> Location:
    """Return the location of the changed keyword inside the schema at `location`.

    If a property became required or optional, the keyword is `required` of its object. Otherwise the id of
    the finding's rule contains the name of the keyword. If no such keyword is found, the result is
    `location`.
    """
    value = document.written_at(location)
    schema_pointer, _, name = location.pointer.rpartition("/properties/")
    if name and "/" not in name and finding.rule.endswith(_REQUIRED):
        required_names = document.written_at(replace(location, pointer=f"{schema_pointer}/required"))
        return (
            document.location(
                location.file, f"{schema_pointer}/required{_index_of_member(required_names, finding)}"
            )
            if required_names
            else location
        )
    if not isinstance(value, dict) or not isinstance(other_value, dict):
        return location
    changed_keys = [key for key in value if value[key] != other_value.get(key) and _names(finding.rule, key)]
    if not changed_keys:
        return location
    key = max(changed_keys, key=len)
    return document.location(
        location.file, f"{location.pointer}/{escaped(key)}{_index_of_member(value[key], finding)}"
    )


def _index_of_member(value: Any, finding: Finding) -> str:
    """Return `/` and the index of the member of the list `value` that a finding is about, such as `/2`.

    `value` is the value of a keyword such as `enum` or `required`. The result is the last part of a JSON
    pointer; it is empty if `value` is not a list or does not contain the member.
    """
    changed_value = finding.after if finding.before is None else finding.before
    names = {finding.subject}
    # The first of several values is located.
    if isinstance(changed_value, list) and "enum-value" in finding.rule:
        names = {json.dumps(name, ensure_ascii=False) for name in changed_value}
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


def _nearest_parent(document: Document, removed: Location | None) -> Location:
    """Return the location of the nearest parent, in `document`, of a part that only the other document has.

    `removed` is the location of the part in the other document.
    """
    pointer = removed.pointer if removed else ""
    for file in [removed.file] if removed else []:
        location = document.location(file, pointer)
        if location.line:
            return location
    return document.location(document.name, pointer)
