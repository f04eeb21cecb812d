"""Samples of long lists of cases."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from hypothesis import settings

T = TypeVar("T")


def sample(cases: Sequence[T]) -> Sequence[T]:
    """Return all cases under tox and in CI; in a plain run, return a random quarter of them.

    As with the examples of Hypothesis, each plain run tests other cases.
    """
    if settings().max_examples >= 100:
        return cases
    return random.sample(cases, -(-len(cases) // 4))
