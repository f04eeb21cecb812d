"""The page with the API in the documentation is the one that the OpenAPI document describes."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")

from infra_runtime.dashboard.api_reference import reference, type_of

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "dashboard-api.md"


def test_the_page_describes_the_present_api() -> None:
    """Write it with python -m infra_runtime.dashboard.api_reference > docs/reference/dashboard-api.md."""
    assert PAGE.read_text(encoding="utf-8") == "\n".join(reference()) + "\n"


def test_a_type_is_a_short_text() -> None:
    rows = {"type": "array", "items": {"$ref": "#/components/schemas/Row"}}
    limit = {"type": "integer", "minimum": 1, "maximum": 9, "default": 3}
    nested = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": ["number", "null"]}},
    }

    assert type_of(rows) == "list of [Row](#row)"
    assert type_of(limit) == "integer from 1 to 9; default 3"
    assert type_of(nested) == "object with `name` string, `age` number or null"
    assert type_of({"type": "string", "enum": ["", "a", "b"]}) == "`a`, `b`"
