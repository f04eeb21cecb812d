"""The output formats: each is valid for every text of a document."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.api import document, operation, report, takes
from fakes.samples import every
from infra_openapi import Direction, Finding, Level, Location, Note, Operation, Report, Witness
from infra_openapi.formats import FORMATS, View, json_report, render
from infra_openapi.report import SCHEMA_VERSION, Acceptance, Review

jsonschema = pytest.importorskip("jsonschema")

NASTY = (
    "<script>alert('1')</script> | `x` \x1b[2J \r\n::error::no %0A ]]> &amp; *b* @ann \ud800 \x00 \u202e ,:"
)
LOCATION = Location(file="api/openapi.yaml", pointer="/paths/~1x", line=7, column=3)
ENTRY = Acceptance(
    fingerprint="f" * 16, reason=NASTY, owner="ann", until=dt.date(2030, 1, 1), file="a.yaml", line=2
)


def finding(level: Level = Level.BREAKING, text: str = "removed GET /x", **more: Any) -> Finding:
    defaults: dict[str, Any] = {
        "rule": "operation-removed",
        "level": level,
        "direction": Direction.NONE,
        "message": text,
        "subject": text,
        "base": LOCATION,
        "shown_at": LOCATION,
        "operations": (Operation(path="/x", method="GET"),),
    }
    return Finding(**{**defaults, **more})


def nasty() -> Report:
    """Return a report in which every text contains special characters of all formats."""
    bad = replace(LOCATION, file=NASTY)
    witness = Witness(kind=Direction.REQUEST, value={NASTY: NASTY})
    operations = tuple(Operation(path=f"/{NASTY}{number}", method="GET") for number in range(9))
    accepted = finding(
        text=NASTY, before=NASTY, after=[NASTY], witness=witness, operations=operations, shown_at=bad
    )
    review = Review(accepted=((accepted, ENTRY),), stale=(ENTRY,), expired=(replace(ENTRY, change=NASTY),))
    note = Note(file=NASTY, pointer=NASTY, message=NASTY, line=1)
    levels = (
        accepted,
        replace(accepted, level=Level.WARNING),
        replace(accepted, level=Level.INFO, shown_at=None),
    )
    return Report(base=NASTY, revision=NASTY, findings=levels, notes=(note,), review=review)


def breaking() -> Report:
    paths = {"/a": {"get": operation()}, "/b": {"get": operation()}}
    return report(document(paths), document({"/a": paths["/a"]}))


def empty() -> Report:
    return Report(base="base.yaml", revision="revision.yaml")


REPORTS = {"breaking": breaking, "empty": empty, "nasty": nasty}
of_every_kind = pytest.mark.parametrize("kind", REPORTS)


@of_every_kind
@pytest.mark.parametrize("name", FORMATS)
def test_equal_reports_give_equal_text(name: str, kind: str) -> None:
    api_report = REPORTS[kind]()

    text = render({"": api_report}, name)

    assert text == render({"": api_report}, name)
    assert text.endswith("\n")


@every(FORMATS)
def test_several_reports_are_distinguishable(name: str) -> None:
    text = render({"shop": breaking(), "bank": breaking()}, name)

    assert "shop" in text
    assert "bank" in text


def test_text_has_a_paragraph_for_each_finding_and_the_totals_at_the_end() -> None:
    text = render({"": Report(base="a", revision="b", findings=(finding(),))}, "text")

    assert text == (
        "a → b\n\n"
        "breaking  operation-removed  api/openapi.yaml:7:3\n"
        "    removed GET /x\n"
        f"    fingerprint {finding().fingerprint}\n\n"
        "breaking: 1 breaking, 0 warning, 0 info\n"
    )


def test_text_contains_no_control_characters() -> None:
    text = render({"": nasty()}, "text", View(colour=False))

    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    assert "\n::error" not in text


def test_colours_do_not_change_the_text() -> None:
    plain, coloured = (render({"": nasty()}, "text", View(colour=it)) for it in (False, True))

    assert coloured != plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_findings_that_are_not_shown_are_counted() -> None:
    api_report = Report(base="a", revision="b", findings=(finding(), finding(Level.INFO)))

    text = render({"": api_report}, "text", View(level=Level.WARNING))

    assert "breaking: 1 breaking, 0 warning, 1 info (1 not shown)" in text


# --- json ------------------------------------------------------------------------------------------


@of_every_kind
@pytest.mark.parametrize("names", [("",), ("shop",), ("shop", "bank"), ()])
def test_json_is_valid_against_its_schema(kind: str, names: tuple[str, ...]) -> None:
    rendered_report = json.loads(render(dict.fromkeys(names, REPORTS[kind]()), "json"))

    jsonschema.Draft202012Validator(json_report.schema()).validate(rendered_report)
    assert rendered_report["schema"] == SCHEMA_VERSION


def test_the_schema_is_valid_and_requires_every_key() -> None:
    schema = json_report.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    whole = json.loads(render({"": breaking()}, "json"))

    for key in whole:
        part = {name: value for name, value in whole.items() if name != key}
        assert not jsonschema.Draft202012Validator(schema).is_valid(part), key
    for key in whole["findings"][0]:
        one = {name: value for name, value in whole["findings"][0].items() if name != key}
        assert not jsonschema.Draft202012Validator(schema).is_valid({**whole, "findings": [one]}), key


def test_the_schema_describes_every_key_of_a_report() -> None:
    schema = json_report.schema()["$defs"]
    rendered_report = json.loads(render({"": nasty()}, "json"))

    assert rendered_report.keys() == schema["report"]["properties"].keys()
    assert rendered_report["findings"][0].keys() == schema["finding"]["properties"].keys()
    assert rendered_report["accepted"].keys() == schema["accepted"]["properties"].keys()
    entry = schema["acceptance"]["properties"].keys() | {"api"}
    assert rendered_report["accepted"]["stale"][0].keys() == entry
    assert (
        rendered_report["apis"][0].keys()
        == schema["report"]["properties"]["apis"]["items"]["properties"].keys()
    )


# --- for people ------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Collects the tags and the text of an HTML page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@of_every_kind
def test_html_loads_and_executes_nothing(kind: str) -> None:
    page = Page(render({"": REPORTS[kind]()}, "html"))

    assert page.tags.isdisjoint({"script", "link", "img", "iframe", "object", "base"})
    assert not {name for name in page.attributes if name.startswith("on") or name in {"src", "href"}}


def test_html_escapes_the_texts_of_a_document() -> None:
    assert "<script>alert('1')</script>" in "".join(Page(render({"": nasty()}, "html")).words)


def test_html_folds_a_long_list_of_operations() -> None:
    def rendered_text(count: int) -> str:
        operations = tuple(Operation(path=f"/{number}", method="GET") for number in range(count))
        return render(
            {"": Report(base="a", revision="b", findings=(finding(operations=operations),))}, "html"
        )

    assert "<p>in GET /0, GET /1</p>" in rendered_text(2)
    assert (
        "<details><summary>in GET /0, GET /1, GET /2, GET /3, GET /4 and 3 more</summary>" in rendered_text(8)
    )
    assert rendered_text(8).count("<li>") == 8


def test_html_folds_a_long_list_of_findings_that_do_not_break() -> None:
    many = [finding(level) for level in (Level.BREAKING, Level.INFO) for _ in range(30)]

    text = render({"": Report(base="a", revision="b", findings=tuple(many))}, "html")

    assert "<details open><summary>30 breaking</summary>" in text
    assert "<details><summary>30 info</summary>" in text


@every(FORMATS)
def test_every_format_states_what_to_do(name: str) -> None:
    api_report = Report(base="a", revision="b", findings=(finding(advice="Keep the operation."),))

    assert "Keep the operation." in render({"": api_report}, name)


def test_json_has_the_same_keys_for_one_and_for_several_apis() -> None:
    one, several = (
        json.loads(render(dict.fromkeys(names, breaking()), "json")) for names in (("",), ("shop", "bank"))
    )

    assert one.keys() == several.keys()
    assert one["counts"] == {"breaking": 1, "warning": 0, "info": 0}
    assert several["counts"] == {"breaking": 2, "warning": 0, "info": 0}
    assert [finding["api"] for finding in several["findings"]] == ["shop", "bank"]
    assert [api["name"] for api in several["apis"]] == ["shop", "bank"]


def test_markdown_escapes_the_texts_of_a_document() -> None:
    text = render({"": nasty()}, "markdown")

    assert "<script>" not in text
    assert not re.search(r"(?<!\\)[|][^|\n]*alert[^|\n]*(?<!\\)<", text)
    assert "\\@ann" in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}


# --- for servers -----------------------------------------------------------------------------------


def test_github_annotates_the_line_of_the_finding() -> None:
    api_report = Report(
        base="a", revision="b", findings=(finding(), finding(Level.WARNING), finding(Level.INFO))
    )

    commands = render({"": api_report}, "github").splitlines()

    assert commands[0] == (
        "::error file=api/openapi.yaml,line=7,col=3,title=breaking%3A operation-removed::removed GET /x"
        f"%0AFingerprint: {finding().fingerprint}"
    )
    assert [line.split()[0] for line in commands[1:3]] == ["::warning", "::notice"]


def test_github_escapes_the_texts_of_a_document() -> None:
    """Each line is one command, and a text of the document cannot start a line."""
    lines = render({"": nasty()}, "github").split("\n")

    assert len(lines) == 5
    assert all(re.match(r"::(error|warning|notice) [^\r]*::", line) for line in lines[:3])
    assert "\r" not in "".join(lines)
    properties = lines[0].split("::")[1]
    assert properties.count(",") == 3


def test_paths_are_relative_to_the_root_of_the_repository() -> None:
    api_report = {"": Report(base="a", revision="b", findings=(finding(),))}
    view = View(folder="services/shop")

    assert "file=services/shop/api/openapi.yaml," in render(api_report, "github", view)
    assert (
        json.loads(render(api_report, "gitlab", view))[0]["location"]["path"]
        == "services/shop/api/openapi.yaml"
    )
    location = json.loads(render(api_report, "sarif", view))["runs"][0]["results"][0]["locations"][0]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "services/shop/api/openapi.yaml"


#: The parts of the official schema that the format uses. Source: OASIS, SARIF 2.1.0.
SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "items": {"$ref": "#/$defs/run"}},
    },
    "$defs": {
        "message": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "run": {
            "type": "object",
            "required": ["tool"],
            "additionalProperties": False,
            "properties": {
                "tool": {
                    "type": "object",
                    "required": ["driver"],
                    "properties": {
                        "driver": {
                            "type": "object",
                            "required": ["name"],
                            "additionalProperties": False,
                            "properties": {
                                "name": {"type": "string"},
                                "version": {"type": "string"},
                                "informationUri": {"type": "string", "format": "uri"},
                                "rules": {
                                    "type": "array",
                                    "uniqueItems": True,
                                    "items": {"$ref": "#/$defs/rule"},
                                },
                            },
                        }
                    },
                },
                "automationDetails": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"id": {"type": "string"}},
                },
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
                "properties": {"type": "object"},
            },
        },
        "rule": {
            "type": "object",
            "required": ["id"],
            "additionalProperties": False,
            "properties": {
                "id": {"type": "string"},
                "fullDescription": {"$ref": "#/$defs/message"},
                "defaultConfiguration": {
                    "type": "object",
                    "properties": {"level": {"$ref": "#/$defs/level"}},
                },
                "properties": {
                    "type": "object",
                    "properties": {
                        "tags": {"type": "array", "uniqueItems": True, "items": {"type": "string"}}
                    },
                },
            },
        },
        "result": {
            "type": "object",
            "required": ["message"],
            "additionalProperties": False,
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"$ref": "#/$defs/level"},
                "message": {"$ref": "#/$defs/message"},
                "locations": {"type": "array", "items": {"$ref": "#/$defs/location"}},
                "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
                "suppressions": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["kind"],
                        "additionalProperties": False,
                        "properties": {
                            "kind": {"enum": ["inSource", "external"]},
                            "status": {"enum": ["accepted", "underReview", "rejected"]},
                            "justification": {"type": "string"},
                        },
                    },
                },
                "properties": {"type": "object"},
            },
        },
        "location": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "physicalLocation": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "artifactLocation": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {"uri": {"type": "string", "pattern": "^[!-~]+$"}},
                        },
                        "region": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {
                                "startLine": {"type": "integer", "minimum": 1},
                                "startColumn": {"type": "integer", "minimum": 1},
                            },
                        },
                    },
                }
            },
        },
    },
}


@of_every_kind
def test_sarif_has_the_structure_of_2_1_0(kind: str) -> None:
    log = json.loads(render({"shop": REPORTS[kind](), "": REPORTS[kind]()}, "sarif"))

    jsonschema.Draft202012Validator(SARIF).validate(log)
    for run in log["runs"]:
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    assert len({run["automationDetails"]["id"] for run in log["runs"]}) == 2


def test_sarif_has_a_location_for_a_finding_without_a_file() -> None:
    api_report = Report(base="main:a.yaml", revision="shop:app", findings=(finding(shown_at=None),))

    [result] = json.loads(render({"": api_report}, "sarif"))["runs"][0]["results"]

    assert [one["physicalLocation"]["artifactLocation"]["uri"] for one in result["locations"]] == [
        "shop%3Aapp"
    ]


def test_sarif_contains_accepted_findings_as_suppressed() -> None:
    results = json.loads(render({"": nasty()}, "sarif"))["runs"][0]["results"]

    assert [len(result.get("suppressions", [])) for result in results] == [0, 0, 0, 1]


@of_every_kind
def test_junit_is_xml_with_correct_totals(kind: str) -> None:
    root = ET.fromstring(render({"": REPORTS[kind]()}, "junit"))  # our own text

    for suite in root.iter("testsuite"):
        assert int(suite.attrib["tests"]) == len(suite.findall("testcase")) > 0
        assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
        assert int(suite.attrib["skipped"]) == len(suite.findall("testcase/skipped"))


def test_junit_fails_for_breaking_findings_only() -> None:
    api_report = Report(
        base="a", revision="b", findings=(finding(), finding(Level.WARNING), finding(Level.INFO))
    )

    cases = list(ET.fromstring(render({"": api_report}, "junit")).iter("testcase"))

    assert [case.find("failure") is not None for case in cases] == [True, False, False]


def test_junit_fails_for_warnings_with_fail_on_warning() -> None:
    api_report = Report(
        base="a", revision="b", findings=(finding(), finding(Level.WARNING), finding(Level.INFO))
    )

    cases = list(
        ET.fromstring(render({"": api_report}, "junit", View(failing=Level.WARNING))).iter("testcase")
    )

    assert [case.find("failure") is not None for case in cases] == [True, True, False]


@of_every_kind
def test_each_gitlab_issue_has_a_path_a_line_and_a_unique_fingerprint(kind: str) -> None:
    api_report = REPORTS[kind]()
    doubled = replace(api_report, findings=(*api_report.findings, *api_report.findings))

    issues = json.loads(render({"shop": doubled, "bank": api_report}, "gitlab"))

    assert len(issues) == 3 * len(api_report.findings)
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)
    for issue in issues:
        assert issue["severity"] in {"info", "minor", "major", "critical", "blocker"}
        assert issue["location"]["path"]
        assert issue["location"]["lines"]["begin"] >= 1
        assert issue["description"]
        assert issue["check_name"]


@given(st.text(max_size=40))
def test_every_text_gives_a_valid_format(text: str) -> None:
    api_report = Report(
        base=text, revision=text, findings=(finding(text=text, shown_at=replace(LOCATION, file=text or "x")),)
    )

    json.loads(render({"": api_report}, "sarif"))
    json.loads(render({"": api_report}, "gitlab"))
    jsonschema.Draft202012Validator(json_report.schema()).validate(
        json.loads(render({"": api_report}, "json"))
    )
    ET.fromstring(render({"": api_report}, "junit").encode("utf-8", "replace"))
    assert Page(render({"": api_report}, "html")).tags.isdisjoint({"script"})
    assert len(render({"": api_report}, "github").split("\n")) == 3


@every([*FORMATS])
def test_an_operation_in_the_message_is_not_repeated_below_it(name: str) -> None:
    only_operation = finding(text="removed GET /x")
    two_operations = finding(
        text="removed GET /x",
        operations=(*only_operation.operations, Operation(path="/y", method="GET")),
        subject="y",
    )
    similar_path = finding(text="changed GET /x/y, not GET /xy", subject="z")

    lists_operations = [
        "n GET /x" in render({"": Report(base="a", revision="b", findings=(shown,))}, name)
        for shown in (only_operation, two_operations, similar_path)
    ]

    assert lists_operations == [False, name != "json", name != "json"]


LONG = """\
openapi: 3.1.0
paths:
  /pets:
    get:
      operationId: pets
      parameters:
        - name: limit
          in: query
          schema:
            type: integer
            maximum: 100
      responses:
        "200":
          description: ok
          content:
            application/json:
              schema:
                $ref: "#/components/schemas/Pet"
components:
  schemas:
    Pet:
      type: object
      required:
        - name
        - kind
      properties:
        name:
          type: string
          maxLength: 50
        kind:
          type: string
          enum:
            - cat
            - dog
"""


@pytest.mark.parametrize(
    ("before", "after", "rule", "line"),
    [
        ("maximum: 100", "maximum: 50", "request-maximum-decreased", "            maximum: 50"),
        ("maxLength: 50", "maxLength: 60", "response-max-length-increased", "          maxLength: 60"),
        ("- dog", "- fish", "response-enum-value-added", "            - fish"),
        (
            "- dog",
            "- dog\n            - ox\n            - yak",
            "response-enum-value-added",
            "            - ox",
        ),
        ("        - kind\n", "", "response-property-became-optional", "      required:"),
        ("Id: pets", "Id: all", "operation-id-changed", "      operationId: all"),
        ("            maximum: 100\n", "", "request-maximum-removed", "          schema:"),
    ],
)
def test_a_finding_is_shown_on_the_edited_line(
    tmp_path: Path, before: str, after: str, rule: str, line: str
) -> None:
    """The key `pointer` in the JSON report contains the whole changed schema."""
    from infra_openapi.check import check
    from infra_openapi.sources import open_source

    revision = LONG.replace(before, after)
    for name, text in (("base", LONG), ("revision", revision)):
        (tmp_path / f"{name}.yaml").write_text(text)
    api_report = check(*(open_source(str(tmp_path / f"{name}.yaml")) for name in ("base", "revision")))

    location = next(
        finding
        for finding in json.loads(render({"": api_report}, "json"))["findings"]
        if finding["rule"] == rule
    )["location"]

    assert revision.splitlines()[location["line"] - 1] == line


def test_the_findings_of_a_parameter_are_shown_on_its_lines(tmp_path: Path) -> None:
    """The complete check shows each finding on the changed line."""
    from infra_openapi.check import check
    from infra_openapi.sources import open_source

    for name, most in (("base", 100), ("revision", 50)):
        parameter = {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": most}}
        (tmp_path / f"{name}.json").write_text(json.dumps(takes(parameter), indent=1))
    api_report = check(*(open_source(str(tmp_path / f"{name}.json")) for name in ("base", "revision")))

    match = re.search(r"line=(\d+)", render({"": api_report}, "github"))

    assert match is not None
    line = (tmp_path / "revision.json").read_text().splitlines()[int(match[1]) - 1]
    assert '"maximum": 50' in line
