"""Conditions for the fields of log lines: names, paths, values of every type, and texts without fields."""

from __future__ import annotations

import pytest

from infra_runtime.logs.condition import Condition
from infra_runtime.logs.record import parse

LINE = (
    '{"level": 30, "msg": "paid", "order": {"id": 17, "total": 1.0, "tags": ["new", {"k": "v"}]}, '
    '"http.route": "/orders", "ok": true, "none": null, "empty": "", "big": 12345678901234567890}'
)


def selects(text: str, line: str) -> bool:
    return Condition.parse(text).selects(line, parse(line))


@pytest.mark.parametrize(
    "condition",
    [
        *("level=info", "level=30", "msg=paid", "order.id=17", "order.total=1", "order.tags=new"),
        *("order.tags.k=v", "http.route=/orders", "ok=true", "none=null", "empty="),
        "big=12345678901234567000",
    ],
)
def test_a_condition_selects_a_line_with_the_value_of_the_field(condition: str) -> None:
    assert selects(condition, LINE)
    assert not Condition.parse(condition, is_excluded=True).selects(LINE, parse(LINE))


@pytest.mark.parametrize(
    "condition",
    [
        *("level=error", "msg=pai", "order=17", "order.id=18", "order.id=x", "order.id.x=17", "ok=1"),
        *("none=", "missing=1", "order.tags=old", "id=17"),
    ],
)
def test_another_value_or_name_is_not_selected(condition: str) -> None:
    assert not selects(condition, LINE)
    assert Condition.parse(condition, is_excluded=True).selects(LINE, parse(LINE))


def test_logfmt_has_fields_and_a_text_has_only_a_level() -> None:
    assert selects("user=ann", 'level=info msg="x" user=ann')
    assert selects("level=error", "ERROR user=ann")
    assert not selects("user=ann", "ERROR user=ann")


@pytest.mark.parametrize("text", ["", "level", "=info"])
def test_a_condition_has_a_name_and_a_value(text: str) -> None:
    with pytest.raises(ValueError, match="NAME=VALUE"):
        Condition.parse(text)
