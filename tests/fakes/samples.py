"""Samples of long lists of cases, and tests of all cases of a list."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from hypothesis import settings

T = TypeVar("T")


def sample(cases: Sequence[T]) -> Sequence[T]:
    """Return all cases under tox and in CI; in a plain run, return a random quarter of them.

    As with the examples of Hypothesis, each plain run tests other cases. All workers of pytest-xdist have the
    same sample, so a sample can be the list of a parametrised test.
    """
    if settings().max_examples >= 100:
        return cases
    return random.Random(os.environ.get("INFRA_TEST_SUITE")).sample(cases, -(-len(cases) // 4))


def every(cases: Iterable[object]) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Make one test that calls the decorated function with each case; a tuple contains several arguments.

    A parametrised test of pytest costs some milliseconds for each case. The failure shows the case.
    """
    all_cases = tuple(cases)
    if not all_cases:
        raise ValueError("the list of cases is empty")

    def decorate(check: Callable[..., None]) -> Callable[[], None]:
        def test() -> None:
            for case in all_cases:
                arguments = case if isinstance(case, tuple) else (case,)
                try:
                    check(*arguments)
                except BaseException as error:
                    error.add_note(f"the case: {case!r}")
                    raise

        test.__name__, test.__doc__, test.__module__ = check.__name__, check.__doc__, check.__module__
        test.__qualname__ = check.__qualname__
        return test

    return decorate
