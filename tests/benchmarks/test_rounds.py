"""The order of the rounds, and the arithmetic of the values."""

from __future__ import annotations

from types import ModuleType

import pytest


def test_the_order_of_the_variants_rotates(rounds: ModuleType) -> None:
    order: list[str] = []

    def variant(name: str) -> object:
        return lambda: order.append(name) or {name: 1.0}

    rounds.rounds([variant("a"), variant("b")], 2, warm=False)

    assert order == ["a", "b", "b", "a"]


def test_the_warm_up_round_is_not_counted(rounds: ModuleType) -> None:
    values = iter([100.0, 1.0, 2.0])

    figures = rounds.rounds([lambda: {"figure": next(values)}], 2)

    assert figures["figure"].values == (1.0, 2.0)


def test_a_ratio_is_taken_round_by_round(rounds: ModuleType) -> None:
    """A slow round of the machine affects both variants."""
    ours, theirs = rounds.Spread(values=(2.0, 4.0, 20.0)), rounds.Spread(values=(1.0, 2.0, 10.0))

    ratio = ours.over(theirs)

    assert ratio.values == (2.0, 2.0, 2.0)


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (25, 25), (99, 99), (100, 100)])
def test_a_percentile_is_a_value_that_was_measured(rounds: ModuleType, percent: float, value: float) -> None:
    spread = rounds.Spread(values=tuple(range(100, 0, -1)))

    assert spread.percentile(percent) == value
