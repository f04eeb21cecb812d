"""Read the file of accepted findings, add entries, and apply the file to a report.

The file is a YAML list. A new entry is appended as text: comments in the file do not change, and a diff shows
only the new entry. If the new entry replaces an expired entry, the lines from the expired entry to the next
entry, or to the end of the file, are removed with their comments.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from infra_openapi.document import text
from infra_openapi.errors import CompareError
from infra_openapi.finding import Finding
from infra_openapi.report import Acceptance, Report, Review
from infra_openapi.sources import Kind, kind_of

HEADER = """\
# Accepted findings of `infra dev api-check`. Review each new entry, because it allows a breaking change.
"""
SUFFIX = ".accepted.yaml"
_REQUIRED_KEYS = ("fingerprint", "reason", "owner")
_KNOWN_KEYS = (*_REQUIRED_KEYS, "rule", "change", "accepted", "until")


def default_path(source: str, directory: Path) -> Path | None:
    """Return the default path for the accepted findings: `openapi.accepted.yaml` for `openapi.json`.

    The result is None if the document is read neither from a file nor from a git revision.
    """
    kind = kind_of(source, directory)
    if kind not in {Kind.FILE, Kind.GIT}:
        return None
    path = directory / (source if kind is Kind.FILE else source.partition(":")[2])
    return path.parent / f"{path.stem}{SUFFIX}"


def read(path: Path) -> tuple[Acceptance, ...]:
    """Return the entries in the file of accepted findings; an empty tuple if the file does not exist.

    Raises:
        CompareError: the file cannot be read or is not a list, or an entry is invalid or occurs twice.
            Invalid entries are not ignored: an entry with a misspelt `until`, for example, would never
            expire.
    """
    if not path.exists():
        return ()
    name = str(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CompareError(name, error.strerror or str(error)) from error
    if not content.strip():
        return ()
    entries, marks = text.data(text.decoded(content, name), name)
    if entries is None:
        return ()
    if not isinstance(entries, list):
        raise CompareError(name, "the file is not a YAML list of accepted findings", 1)
    locations = marks or {}
    entries_by_fingerprint: dict[str, Acceptance] = {}
    for number, entry in enumerate(entries):
        line = locations.get((id(entries), number), (0, 0))[0]
        acceptance = _entry(entry, name, line)
        if acceptance.fingerprint in entries_by_fingerprint:
            raise CompareError(
                name, f"the file has two entries for {acceptance.fingerprint}: remove one of them", line
            )
        entries_by_fingerprint[acceptance.fingerprint] = acceptance
    return tuple(entries_by_fingerprint.values())


def _entry(entry: Any, file: str, line: int) -> Acceptance:
    if not isinstance(entry, dict):
        raise CompareError(file, "an entry must be a mapping with `fingerprint`, `reason` and `owner`", line)
    for key in _REQUIRED_KEYS:
        if entry.get(key) in (None, ""):
            raise CompareError(file, f"an entry has no `{key}`: add this key", line)
    for key in entry:
        if key not in _KNOWN_KEYS:
            allowed_keys = ", ".join(_KNOWN_KEYS)
            raise CompareError(file, f"an entry has the unknown key {key!r} (known: {allowed_keys})", line)
        if isinstance(entry[key], bool) or not isinstance(entry[key], str | int | None):
            # Without quotes, YAML reads a fingerprint such as `12e4567890123456` as a number.
            raise CompareError(file, f"the value of `{key}` is not a string: put the value in quotes", line)
    # A fingerprint of digits without a leading zero needs no quotes: YAML returns it as an integer.
    texts = {key: str(entry[key]) for key in (*_REQUIRED_KEYS, "rule", "change") if key in entry}
    return Acceptance(
        **texts,
        accepted=_date(entry, "accepted", file, line),
        until=_date(entry, "until", file, line),
        file=file,
        line=line,
    )


def _date(entry: dict[str, Any], key: str, file: str, line: int) -> dt.date | None:
    value = entry.get(key)
    if value is None:
        return None
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError as error:
        raise CompareError(
            file, f"`{key}` is not a date: {value!r}; write it like 2030-12-31", line
        ) from error


def apply(report: Report, entries: Iterable[Acceptance], today: dt.date) -> Report:
    """Return the report without the accepted findings.

    The `review` of the returned report contains the accepted findings, and the expired and stale entries.
    """
    entries_by_fingerprint = {entry.fingerprint: entry for entry in entries}
    former_counts = Counter(name for finding in report.findings for name in finding.former_fingerprints)
    remaining, accepted = [], []
    matched_fingerprints = set()
    for finding in report.findings:
        matching = _matching(finding, entries_by_fingerprint, former_counts)
        matched_fingerprints |= {entry.fingerprint for entry in matching}
        if not matching or any(entry.lapsed(today) for entry in matching):
            remaining.append(finding)
        else:
            accepted.append((finding, matching[0]))
    all_entries = entries_by_fingerprint.values()
    review = Review(
        accepted=tuple(accepted),
        expired=tuple(
            entry
            for entry in all_entries
            if entry.fingerprint in matched_fingerprints and entry.lapsed(today)
        ),
        stale=tuple(entry for entry in all_entries if entry.fingerprint not in matched_fingerprints),
    )
    return replace(report, findings=tuple(remaining), review=review)


def _matching(
    finding: Finding, entries: Mapping[str, Acceptance], former_counts: Mapping[str, int]
) -> list[Acceptance]:
    """Return the entries in the file for a finding, including expired entries; an empty list if none exist.

    The result contains the entry with the fingerprint of the finding. If the file has no such entry, the
    result contains the entries with the former fingerprints, which earlier versions of pytest-infra computed
    for the finding. The former fingerprints are used only if the file has an entry for each of them, and if
    no other finding has one of them.
    """
    former_fingerprints = finding.former_fingerprints
    if (
        finding.fingerprint not in entries
        and former_fingerprints
        and all(former_counts[name] == 1 for name in former_fingerprints)
    ):
        return (
            [entries[name] for name in former_fingerprints]
            if entries.keys() >= set(former_fingerprints)
            else []
        )
    return [entries[finding.fingerprint]] if finding.fingerprint in entries else []


def finding_with_fingerprint(reports: Mapping[str, Report], prefix: str) -> tuple[str, Finding]:
    """Return the name of a report, and its finding whose fingerprint begins with `prefix`.

    If several reports contain the finding, the last of these reports is used.

    Raises:
        CompareError: no finding or more than one finding matches, or the finding is already accepted.
    """
    findings = {
        finding.fingerprint: (name, finding)
        for name, report in reports.items()
        for finding in report.findings
    }
    accepted = {finding.fingerprint for report in reports.values() for finding, _ in report.review.accepted}
    candidates = sorted(name for name in {*findings, *accepted} if name.startswith(prefix))
    if not prefix or not candidates:
        hint = (
            "`infra dev api-check` prints the fingerprint of each finding; the first characters are "
            "sufficient."
        )
        raise CompareError("", f"no finding has the fingerprint {prefix!r}", hint=hint)
    if len(candidates) > 1:
        raise CompareError(
            "", f"several fingerprints begin with {prefix!r}: {', '.join(candidates)}; give more characters"
        )
    if candidates[0] not in findings:
        raise CompareError("", f"the finding {candidates[0]} is already accepted")
    return findings[candidates[0]]


def accept(
    path: Path,
    finding: Finding,
    *,
    reason: str,
    owner: str,
    today: dt.date,
    until: dt.date | None = None,
) -> Acceptance:
    """Append an entry for a finding to the file of accepted findings, and return the entry.

    An existing entry with the fingerprint of the finding is replaced.

    Raises:
        CompareError: the file is invalid or cannot be written, or the entry is invalid.
    """
    if not reason.strip() or not owner.strip():
        raise CompareError("", "an accepted finding needs a reason and an owner: give --reason and --owner")
    if until is not None and until < today:
        raise CompareError("", f"the date {until} is in the past: give a later date with --until")
    entry = Acceptance(
        fingerprint=finding.fingerprint,
        rule=finding.rule,
        change=finding.message,
        reason=" ".join(reason.split()),
        owner=owner.strip(),
        accepted=today,
        until=until,
        file=str(path),
    )
    earlier_entries = read(path)
    original = content = path.read_text(encoding="utf-8-sig") if path.exists() else HEADER
    replaced_entry = next(
        (existing for existing in earlier_entries if existing.fingerprint == entry.fingerprint), None
    )
    if replaced_entry is not None:
        content = _without_entry(content, replaced_entry, earlier_entries)
    new_content = (content if content.endswith("\n") or not content else content + "\n") + _as_yaml(entry)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(new_content, encoding="utf-8")
    except OSError as error:
        raise CompareError(str(path), error.strerror or str(error)) from error
    try:
        written_fingerprints = {written_entry.fingerprint for written_entry in read(path)}
    except CompareError:
        written_fingerprints = set()
    if written_fingerprints != {written_entry.fingerprint for written_entry in earlier_entries} | {
        entry.fingerprint
    }:
        # An entry cannot be appended as text to an indented list, or to a list in brackets.
        path.write_text(original, encoding="utf-8")
        raise CompareError(
            str(path),
            (
                "an entry cannot be added to this list: start each entry with `- ` in the first column of a "
                "line"
            ),
            1,
        )
    return entry


def _without_entry(content: str, entry: Acceptance, entries: Iterable[Acceptance]) -> str:
    """Return the text of the file of accepted findings without the lines of one entry."""
    lines = content.splitlines(keepends=True)
    later_lines = [later_entry.line for later_entry in entries if later_entry.line > entry.line]
    end = min(later_lines) - 1 if later_lines else len(lines)
    return "".join(lines[: entry.line - 1] + lines[end:])


def _as_yaml(entry: Acceptance) -> str:
    pairs = {key: value for key, value in entry.to_json().items() if key in _KNOWN_KEYS and value}
    # JSON strings are valid YAML and quote every special character.
    lines = [f"  {key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in pairs.items()]
    return "".join(lines).replace("  ", "- ", 1)
