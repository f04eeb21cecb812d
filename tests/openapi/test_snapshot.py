"""The canonical text: equal for equal content, and read as the same value."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.api import document
from fakes.recursion import frame_limit
from infra_openapi import CompareError, parse, snapshot
from infra_openapi.document import text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    [
        "yes",
        "no",
        "null",
        "~",
        "1e3",
        "0x1F",
        "0o17",
        "1_000",
        "2026-08-01",
        "1:30",
        ".5",
        "-",
        "=",
        "<<",
        "'",
        "# x",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def shuffled(value: Any) -> Any:
    """Return the value with the keys of every object in reverse order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(member) for member in value] if isinstance(value, list) else value


@pytest.mark.parametrize("as_yaml", [False, True])
@given(value=VALUES)
def test_a_written_snapshot_is_read_as_the_same_value(as_yaml: bool, value: Any) -> None:
    canonical_text = snapshot.canonical(parse(document(x=value)), as_yaml=as_yaml)

    read, _ = text.data(canonical_text, "openapi.yaml" if as_yaml else "openapi.json")

    assert read == json.loads(json.dumps(document(x=value)))


@pytest.mark.parametrize("as_yaml", [False, True])
@given(value=VALUES)
def test_the_order_of_keys_changes_no_byte(as_yaml: bool, value: Any) -> None:
    first, second = (parse(it) for it in (document(x=value), shuffled(document(x=value))))

    assert snapshot.canonical(first, as_yaml=as_yaml) == snapshot.canonical(second, as_yaml=as_yaml)


@pytest.mark.parametrize("as_yaml", [False, True])
def test_a_second_writing_changes_no_byte(as_yaml: bool) -> None:
    once = snapshot.canonical(parse(document({"/x": {}})), as_yaml=as_yaml)

    assert snapshot.canonical(parse(once), as_yaml=as_yaml) == once


def test_a_snapshot_begins_with_the_version_and_ends_with_a_newline() -> None:
    canonical_text = snapshot.canonical(parse(document(tags=[], components={})))

    assert list(json.loads(canonical_text)) == ["openapi", "info", "components", "paths", "tags"]
    assert canonical_text.endswith("\n}\n")


def test_a_list_keeps_its_order() -> None:
    assert '"b",\n    "a"' in snapshot.canonical(parse(document(x=["b", "a"])))


def test_a_repeated_part_is_written_without_an_anchor() -> None:
    """With an anchor, one change would affect other lines."""
    same = {"type": "string"}

    assert "&" not in snapshot.canonical(parse(document(x=[same, same])), as_yaml=True)


def test_a_swagger_document_is_not_converted(tmp_path: Path) -> None:
    swagger = {"swagger": "2.0", "info": {"title": "T", "version": "1"}, "paths": {}, "basePath": "/v1"}

    snapshot.write(tmp_path / "swagger.json", parse(swagger))

    assert json.loads((tmp_path / "swagger.json").read_text()) == swagger


def test_an_unchanged_snapshot_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "api" / "openapi.json"
    first = snapshot.write(path, parse(document()))
    os.utime(path, (1, 1))

    second = snapshot.write(path, parse(document()))

    assert (first, second) == (True, False)
    assert path.stat().st_mtime == 1
    assert list(path.parent.iterdir()) == [path]


def test_a_snapshot_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "openapi.json"
    path.write_text("")
    path.chmod(0o640)

    snapshot.write(path, parse(document()))

    assert path.stat().st_mode & 0o777 == 0o640


def test_a_path_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CompareError, match="cannot be written"):
        snapshot.write(tmp_path / "file" / "openapi.json", parse(document()))


def test_a_document_that_is_nested_too_deeply_is_an_error() -> None:
    deep = parse('{"openapi": "3.0.0", "paths": {}, "x-deep": ' + "[" * 900 + "]" * 900 + "}")

    with frame_limit(frames=400), pytest.raises(CompareError, match="nested too deeply to be written"):
        snapshot.canonical(deep)


def test_half_of_a_surrogate_pair_is_an_error(tmp_path: Path) -> None:
    broken = parse('{"openapi": "3.1.0", "paths": {}, "x": "\\ud800"}')

    with pytest.raises(CompareError, match="surrogate"):
        snapshot.write(tmp_path / "openapi.json", broken)
    assert list(tmp_path.iterdir()) == []
