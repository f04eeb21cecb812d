"""The file of accepted findings: reading, adding entries, and applying it to a report."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.api import body, document, operation, query, receives, report, sends, takes
from infra_openapi import CompareError, Finding, Level, Report, baseline
from infra_openapi.report import Acceptance

TODAY = dt.date(2026, 8, 1)
TEXT_OBJECT = {"properties": {"a": {"type": "string"}}}
ENTRY = "- {fingerprint: aaaabbbbccccdddd, reason: r, owner: o}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "openapi.accepted.yaml"


def broken() -> Report:
    """Two breaking changes."""
    paths = {"/a": {"get": operation()}, "/b": {"get": operation()}, "/c": {"get": operation()}}
    return report(document(paths), document({"/c": paths["/c"]}))


def accept(file: Path, finding: Finding, **how: object) -> Acceptance:
    options = {"reason": "no client calls it", "owner": "ann", "today": TODAY, **how}
    return baseline.accept(file, finding, **options)  # type: ignore[arg-type]


def reviewed(original: Report, file: Path, today: dt.date = TODAY) -> Report:
    return baseline.apply(original, baseline.read(file), today)


def test_an_accepted_finding_no_longer_counts_and_the_others_do(file: Path) -> None:
    before = broken()
    accept(file, before.findings[0])

    after = reviewed(before, file)

    assert after.findings == before.findings[1:]
    assert [finding for finding, _ in after.review.accepted] == [before.findings[0]]
    assert after.counts[Level.BREAKING] == 1


def test_a_report_with_every_finding_accepted_is_compatible(file: Path) -> None:
    before = broken()
    for finding in before.findings:
        accept(file, finding)

    assert reviewed(before, file).verdict == "compatible"


def test_an_entry_matches_after_the_message_or_line_changed(file: Path) -> None:
    before = broken()
    accept(file, before.findings[0])
    moved = replace(before.findings[0].base, line=99, column=1)
    later = replace(before, findings=(replace(before.findings[0], message="other words", base=moved),))

    assert reviewed(later, file).findings == ()


def test_an_entry_does_not_match_another_value(file: Path) -> None:
    """An accepted decrease of a limit to 50 does not include a decrease to 5."""
    limit = [takes(query({"type": "integer", "maximum": it})) for it in (100, 50, 5)]
    accept(file, report(limit[0], limit[1]).findings[0])

    assert reviewed(report(limit[0], limit[1]), file).verdict == "compatible"
    assert reviewed(report(limit[0], limit[2]), file).verdict == "breaking"


def test_an_entry_is_valid_until_the_end_of_its_last_day(file: Path) -> None:
    before = broken()
    accept(file, before.findings[0], until=TODAY)

    assert len(reviewed(before, file).review.accepted) == 1
    over = reviewed(before, file, TODAY + dt.timedelta(days=1))
    assert over.findings == before.findings
    assert [entry.until for entry in over.review.expired] == [TODAY]


def test_an_entry_without_a_finding_is_stale(file: Path) -> None:
    before = broken()
    accept(file, before.findings[0])

    after = reviewed(replace(before, findings=()), file)

    assert [entry.fingerprint for entry in after.review.stale] == [before.findings[0].fingerprint]
    assert after.review.expired == ()


def test_an_expired_entry_without_a_finding_is_stale_and_not_expired(file: Path) -> None:
    before = broken()
    accept(file, before.findings[0], until=TODAY)

    after = reviewed(replace(before, findings=()), file, TODAY + dt.timedelta(days=9))

    assert (len(after.review.stale), after.review.expired) == (1, ())


def test_a_new_entry_is_appended_to_the_file(file: Path) -> None:
    before = broken()
    accept(file, before.findings[0])
    file.write_text(file.read_text() + "# ours\n", encoding="utf-8")
    first = file.read_text()

    accept(file, before.findings[1])

    assert file.read_text().startswith(first)
    assert len(baseline.read(file)) == 2


def test_a_new_entry_replaces_an_expired_one(file: Path) -> None:
    before = broken()
    accept(file, before.findings[0], until=TODAY)
    accept(file, before.findings[1])
    later = TODAY + dt.timedelta(days=1)

    accept(file, before.findings[0], today=later, reason="still")

    entries = baseline.read(file)
    assert {entry.fingerprint: entry.reason for entry in entries} == {
        before.findings[0].fingerprint: "still",
        before.findings[1].fingerprint: "no client calls it",
    }
    assert len(entries) == 2


@given(
    st.text(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\u2028\u2029"), min_size=1
    ),
    st.none() | st.dates(min_value=TODAY),
)
def test_a_written_entry_is_read_as_the_same_entry(
    tmp_path_factory: pytest.TempPathFactory, reason: str, until: dt.date
) -> None:
    file = tmp_path_factory.mktemp("accepted") / "openapi.accepted.yaml"
    (finding, *_) = broken().findings
    if not reason.strip():
        return

    written = accept(file, finding, reason=reason, until=until)

    (entry,) = baseline.read(file)
    assert replace(entry, line=0) == written
    assert entry.line == 2


def test_an_entry_contains_the_rule_and_the_message_of_the_finding(file: Path) -> None:
    finding = broken().findings[0]
    accept(file, finding)

    text = file.read_text()

    assert f"rule: {json.dumps(finding.rule)}" in text
    assert f"change: {json.dumps(finding.message)}" in text
    assert 'accepted: "2026-08-01"' in text


def test_a_missing_file_accepts_nothing(file: Path) -> None:
    assert baseline.read(file) == ()


@pytest.mark.parametrize("content", ["", "\n", "# nothing yet\n", "[]"])
def test_an_empty_file_accepts_nothing(file: Path, content: str) -> None:
    file.write_text(content, encoding="utf-8")

    assert baseline.read(file) == ()


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("a: 1\n", 1, "is not a YAML list"),
        ("- 3\n", 1, "an entry must be a mapping"),
        ("- {reason: r, owner: o}\n", 1, "has no `fingerprint`"),
        (ENTRY + "- {fingerprint: eeee, owner: o}\n", 2, "has no `reason`"),
        ("- {fingerprint: eeee, reason: '', owner: o}\n", 1, "has no `reason`"),
        ("- {fingerprint: eeee, reason: r}\n", 1, "has no `owner`"),
        ("- {fingerprint: e, reason: r, owner: o, untill: 2030-01-01}\n", 1, "unknown key 'untill'"),
        ("- {fingerprint: e, reason: r, owner: o, until: soon}\n", 1, "`until` is not a date"),
        ("- {fingerprint: e, reason: r, owner: o, until: 2030-13-01}\n", 1, "`until` is not a date"),
        (ENTRY + ENTRY, 2, "has two entries for aaaabbbbccccdddd"),
        ("- {fingerprint: e", 1, "is not YAML"),
        ("- {fingerprint: e, reason: [r], owner: o}\n", 1, "`reason` is not a string"),
        ("- {fingerprint: e, reason: r, owner: true}\n", 1, "`owner` is not a string"),
        ("- {fingerprint: 12345678901234e5, reason: r, owner: o}\n", 1, "`fingerprint` is not a string"),
    ],
)
def test_an_invalid_entry_is_an_error_with_its_line(file: Path, content: str, line: int, reason: str) -> None:
    """Ignoring a part of the file could accept a finding by accident."""
    file.write_text(content, encoding="utf-8")

    with pytest.raises(CompareError, match=reason) as caught:
        baseline.read(file)

    assert (caught.value.file, caught.value.line) == (str(file), line)


def test_a_fingerprint_of_digits_needs_no_quotes(file: Path) -> None:
    file.write_text("- {fingerprint: 1234567890123456, reason: r, owner: o}\n", encoding="utf-8")

    assert baseline.read(file)[0].fingerprint == "1234567890123456"


@pytest.mark.parametrize("content", [f"[{ENTRY[2:-1]}]\n", f"  {ENTRY}"])
def test_a_list_in_another_style_is_not_changed(file: Path, content: str) -> None:
    file.write_text(content, encoding="utf-8")

    with pytest.raises(CompareError, match="in the first column of a line"):
        accept(file, broken().findings[0])

    assert file.read_text() == content


@pytest.mark.parametrize("how", [{"reason": " "}, {"owner": ""}, {"until": TODAY - dt.timedelta(days=1)}])
def test_an_entry_without_reason_or_owner_or_with_a_past_date_is_not_written(
    file: Path, how: dict[str, object]
) -> None:
    with pytest.raises(CompareError):
        accept(file, broken().findings[0], **how)

    assert not file.exists()


# --- fingerprints ----------------------------------------------------------------------------------


def added(before: dict[str, object], after: dict[str, object]) -> Report:
    """Return a report with the breaking findings only."""
    whole = report(before, after)
    return replace(
        whole, findings=tuple(finding for finding in whole.findings if finding.level is Level.BREAKING)
    )


def united(*names: str) -> dict[str, object]:
    """Return a document with a response that has an unnamed object for each name as an alternative."""
    objects = [
        {"type": "object", "required": [name], "properties": {name: {"type": "string"}}} for name in names
    ]
    return receives({"oneOf": objects} if len(objects) > 1 else {"type": "object", "properties": {"a": {}}})


def test_each_unnamed_alternative_has_its_own_fingerprint(file: Path) -> None:
    now = added(united("a"), united("ref", "zen"))
    for finding in now.findings:
        accept(file, finding)

    assert reviewed(now, file).verdict == "compatible"
    later = reviewed(added(united("a"), united("ref", "zen", "boom")), file)
    assert (later.verdict, len(later.findings)) == ("breaking", 1)


def test_an_accepted_alternative_is_not_accepted_in_place_of_another(file: Path) -> None:
    first, second = added(united("a"), united("ref", "zen")).findings
    accept(file, first)

    assert reviewed(added(united("a"), united("zen", "ref")), file).counts[Level.BREAKING] == 1
    assert first.fingerprint != second.fingerprint
    other = reviewed(added(united("a"), united("other", "boom")), file)
    assert other.counts[Level.BREAKING] == 2


def test_the_order_and_the_descriptions_of_alternatives_do_not_change_their_fingerprints() -> None:
    def described(document: dict[str, object]) -> dict[str, object]:
        text = json.dumps(document).replace('"type": "string"', '"type": "string", "description": "new"')
        return dict(json.loads(text))

    before = {finding.fingerprint for finding in added(united("a"), united("ref", "zen")).findings}
    after = {finding.fingerprint for finding in added(united("a"), described(united("zen", "ref"))).findings}

    assert before == after


@pytest.mark.parametrize(
    ("old", "first", "second"),
    [
        ({}, {"not": {"const": "x"}}, {"not": {"const": "y"}}),
        (
            {"type": "array"},
            {"type": "array", "contains": {"const": 1}},
            {"type": "array", "contains": {"const": 2}},
        ),
        (
            {"type": "object"},
            {"type": "object", "if": {"required": ["a"]}, "then": {"required": ["b"]}},
            {"type": "object", "if": {"required": ["a"]}, "then": {"required": ["c"]}},
        ),
        ({}, {"propertyNames": {"maxLength": 3}}, {"propertyNames": {"maxLength": 4}}),
    ],
)
def test_restrictions_without_a_name_are_distinguished_by_their_content(
    old: dict[str, object], first: dict[str, object], second: dict[str, object]
) -> None:
    one, other = (
        report(sends({**TEXT_OBJECT, **old}), sends({**TEXT_OBJECT, **new})) for new in (first, second)
    )

    assert {finding.rule for finding in one.findings} == {finding.rule for finding in other.findings}
    assert {finding.fingerprint for finding in one.findings}.isdisjoint(
        finding.fingerprint for finding in other.findings
    )


PET = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}
LOOSE_PET = {**PET, "required": []}


def using(*names: str, **schemas: object) -> dict[str, object]:
    """Return a document with one operation for each name, which returns the schema with this name."""
    answers = [body({"$ref": f"#/components/schemas/{name}"}) for name in names]
    paths = {
        f"/{number}": {"get": operation({"200": {"description": "", **answer}})}
        for number, answer in enumerate(answers)
    }
    return document(paths, components={"schemas": schemas})


def test_a_schema_that_was_replaced_by_two_schemas_gives_two_fingerprints() -> None:
    findings = report(
        using("Pet", "Pet", Pet=PET), using("Cat", "Dog", Cat=LOOSE_PET, Dog=LOOSE_PET | {"title": "D"})
    ).findings

    assert len({finding.fingerprint for finding in findings}) == len(findings) == 2


def test_an_entry_with_the_fingerprint_of_an_earlier_version_still_accepts_a_named_part(file: Path) -> None:
    now = report(using("Pet", Pet=PET), using("Cat", Cat=LOOSE_PET))
    (finding,) = now.findings
    (former,) = finding.former_fingerprints
    file.write_text(f"- {{fingerprint: '{former}', reason: r, owner: o}}\n", encoding="utf-8")

    after = reviewed(now, file)

    assert former != finding.fingerprint
    assert (after.verdict, after.review.stale) == ("compatible", ())


def test_entries_of_an_earlier_version_accept_all_removed_values_together(file: Path) -> None:
    kinds = [takes(query({"type": "string", "enum": list(values)})) for values in ("abc", "c", "d")]
    now = report(kinds[0], kinds[1])
    (finding,) = now.findings
    first, second = finding.former_fingerprints
    entry = "- {{fingerprint: '{}', reason: r, owner: o}}\n"

    file.write_text(entry.format(first), encoding="utf-8")
    assert reviewed(now, file).findings == (finding,)

    file.write_text(entry.format(first) + entry.format(second), encoding="utf-8")
    assert reviewed(now, file).verdict == "compatible"


def test_an_entry_of_an_earlier_version_does_not_accept_two_findings(file: Path) -> None:
    now = report(
        using("Pet", "Pet", Pet=PET), using("Cat", "Dog", Cat=LOOSE_PET, Dog=LOOSE_PET | {"title": "D"})
    )
    (former,) = {name for finding in now.findings for name in finding.former_fingerprints}
    file.write_text(f"- {{fingerprint: '{former}', reason: r, owner: o}}\n", encoding="utf-8")

    assert reviewed(now, file).findings == now.findings


def test_an_entry_of_an_earlier_version_does_not_accept_an_unnamed_alternative() -> None:
    assert [finding.former_fingerprints for finding in added(united("a"), united("ref", "zen")).findings] == [
        (),
        (),
    ]


# --- choosing --------------------------------------------------------------------------------------


def test_the_first_characters_of_a_fingerprint_are_enough() -> None:
    breaking_report = broken()

    assert baseline.finding_with_fingerprint(
        {"shop": breaking_report}, breaking_report.findings[1].fingerprint[:7]
    ) == (
        "shop",
        breaking_report.findings[1],
    )


def test_ambiguous_and_unknown_fingerprints_are_errors(file: Path) -> None:
    breaking_report = broken()
    many = {
        str(number): report(receives({"maxLength": 9}), receives({"maxLength": 9 + number}))
        for number in range(1, 40)
    }

    with pytest.raises(CompareError, match="several fingerprints begin with"):
        baseline.finding_with_fingerprint(many, next(iter(many.values())).findings[0].fingerprint[:1] or "")
    with pytest.raises(CompareError, match="no finding"):
        baseline.finding_with_fingerprint({"": breaking_report}, "zzz")


def test_accepting_an_accepted_finding_is_an_error(file: Path) -> None:
    before = broken()
    accept(file, before.findings[0])

    with pytest.raises(CompareError, match="is already accepted"):
        baseline.finding_with_fingerprint({"": reviewed(before, file)}, before.findings[0].fingerprint)
