"""The tree of the spans of a trace: the order, the levels, and spans that are below no root."""

from __future__ import annotations

from infra_runtime.telemetry.span_tree import levels


def test_each_span_follows_its_parent_and_siblings_keep_their_order() -> None:
    parents = {"inner": "first", "root": "", "first": "root", "second": "root", "detached": "missing"}

    assert [*levels(parents).items()] == [
        ("root", 0), ("first", 1), ("inner", 2), ("second", 1), ("detached", 0),
    ]  # fmt: skip


def test_one_span_of_a_circle_of_parents_is_a_root() -> None:
    assert levels({"a": "c", "b": "a", "c": "b", "own": "own"}) == {"a": 0, "b": 1, "c": 2, "own": 0}
