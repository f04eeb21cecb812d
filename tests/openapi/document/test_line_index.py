"""Locations: a pointer has the line and column of its key, in every layout of the text."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("yaml", reason="needs the extra `openapi`")

from infra_openapi.document.line_index import LineIndex
from infra_openapi.document.pointer import escaped


def inlined(data: Any) -> str:
    """Return JSON with short arrays and objects on one line."""
    return re.sub(r"([{\[])\s+([^{}\[\]]{,40}?)\s+([}\]])", r"\1 \2 \3", json.dumps(data, indent=2))


LAYOUTS: dict[str, Callable[[Any], str]] = {
    "two spaces": lambda data: json.dumps(data, indent=2, ensure_ascii=False),
    "tabs": lambda data: json.dumps(data, indent="\t"),
    "no indentation": lambda data: json.dumps(data, indent=0),
    "carriage returns": lambda data: json.dumps(data, indent=1).replace("\n", "\r\n"),
    "one line": json.dumps,
    "after blank lines": lambda data: "\n\n  " + json.dumps(data, indent=4, ensure_ascii=False),
    "short parts inline": inlined,
}


def numbered(value: Any, numbers: Iterator[int]) -> Any:
    """Return the value with unique keys, so that each key occurs once in a text."""
    if isinstance(value, dict):
        return {f"{key}{next(numbers)}": numbered(inner, numbers) for key, inner in value.items()}
    return [numbered(inner, numbers) for inner in value] if isinstance(value, list) else value


def keys(value: Any, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Yield every key with its pointer."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        below = f"{pointer}/{escaped(str(key))}"
        if isinstance(key, str):
            yield key, below
        if isinstance(inner, dict | list):
            yield from keys(inner, below)


ODD = st.sampled_from(["é{", "a/b~[", '"\n'])
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | ODD
VALUES = st.dictionaries(
    NAMES,
    st.recursive(
        st.none() | st.integers() | NAMES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
        max_leaves=12,
    ),
    max_size=4,
)


@pytest.mark.parametrize("layout", LAYOUTS)
@given(value=VALUES)
def test_a_pointer_has_the_line_and_column_of_its_key(layout: str, value: Any) -> None:
    data = numbered(value, itertools.count())
    text = LAYOUTS[layout](data)
    lines = text.split("\n")
    positions = LineIndex(text.encode(), data, None)

    places = {key: positions.find(pointer) for key, pointer in keys(data)}

    for key, (line, column) in places.items():
        name, _ = json.JSONDecoder().raw_decode(lines[line - 1], column - 1)
        assert name == key


def test_the_members_of_a_list_have_different_locations() -> None:
    data = {"a": [{"b": 1}, 2, [3, 3], "4"], "c": 5}
    text = '{\n  "a": [\n    {"b": 1},\n    2,\n    [3,\n    3],\n    "4"\n  ],\n  "c": 5\n}\n'
    positions = LineIndex(text.encode(), data, None)

    places = {pointer: positions.find(pointer) for pointer in ("/a/0/b", "/a/1", "/a/2/1", "/a/3", "/c")}

    assert places == {"/a/0/b": (3, 6), "/a/1": (4, 5), "/a/2/1": (6, 5), "/a/3": (7, 5), "/c": (9, 3)}


def test_a_missing_part_has_the_location_of_its_nearest_parent() -> None:
    for text in ('{\n "a": {\n  "b": 1\n }\n}', '{"a": {"b": 1}}'):
        positions = LineIndex(text.encode(), json.loads(text), None)

        assert positions.find("/a/gone/further") == positions.find("/a")
        assert positions.find("/a/b/0") == positions.find("/a/b")


def test_lines_of_a_long_text_are_counted_like_in_an_editor() -> None:
    data = {f"key{number}": {"text": "x" * (number % 97)} for number in range(3000)}
    text = json.dumps(data, indent=1)
    positions = LineIndex(text.encode(), data, None)

    lines = [positions.find(f"/key{number}/text")[0] for number in range(3000)]

    assert lines == [number * 3 + 3 for number in range(3000)]
