"""The text of values in messages."""

from __future__ import annotations

from fakes.samples import every
from infra_openapi.evaluation import shown


@every(
    [
        ("red", "'red'"),
        (["a"], "'a'"),
        (["a", "b", "c"], "'a', 'b' or 'c'"),
        ([], "[]"),
        ({"größe": None}, '{"größe": null}'),
        ([1, True], "[1, true]"),
    ]
)
def test_a_value_is_shown_as_a_person_writes_it(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_long_value_is_cut() -> None:
    text = shown(["x" * 10_000])

    assert text.endswith("…")
    assert len(text) < 1_000
