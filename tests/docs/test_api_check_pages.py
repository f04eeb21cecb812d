"""The pages about the API check match the rules and the JSON schema that they describe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("yaml", reason="needs the extra `openapi`")

from infra_openapi.formats import json_report
from infra_openapi.report import SCHEMA_VERSION
from infra_openapi.rules import RULES, page

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_the_generated_pages_are_up_to_date() -> None:
    """Update them with `python -m infra_openapi.rules.page docs`."""
    for path, content in page.pages(DOCS).items():
        assert path.read_text(encoding="utf-8") == content


def test_every_rule_and_every_alias_is_in_its_page() -> None:
    rules = (DOCS / page.RULES_PAGE).read_text(encoding="utf-8")
    peers = (DOCS / page.PEER_PAGE).read_text(encoding="utf-8")

    assert [rule.id for rule in RULES.values() if f"| `{rule.id}` | {rule.level} |" not in rules] == []
    assert [alias for rule in RULES.values() for alias in rule.aliases if f"| `{alias}` |" not in peers] == []


def test_the_page_of_the_json_lists_every_key() -> None:
    text = (DOCS / "reference" / "api-check-json.md").read_text(encoding="utf-8")
    schema = json_report.schema()["$defs"]
    keys = {key for part in schema.values() for key in part.get("properties", {})}

    assert [key for key in sorted(keys) if f"`{key}`" not in text and f'"{key}"' not in text] == []
    assert f"version {SCHEMA_VERSION}" in text


def test_the_example_in_the_page_is_valid() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    text = (DOCS / "reference" / "api-check-json.md").read_text(encoding="utf-8")
    example = json.loads(text.split("```json\n", 1)[1].split("```", 1)[0])

    jsonschema.Draft202012Validator(json_report.schema()).validate(example)
