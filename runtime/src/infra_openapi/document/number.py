"""Numbers in a text, and how many values: both limited."""

from __future__ import annotations

import math

#: How many values a text may hold, small or large; GitHub's API with every reference written out has 900,000.
MAX_VALUES = 3_000_000
MAX_DIGITS = 1000
_SHOWN_DIGITS = 40


class LiteralError(ValueError):
    """A number or a word that is not a value; the caller knows its location."""

    def __init__(self, literal: str, reason: str) -> None:
        super().__init__(literal, reason)
        self.literal, self.reason = literal, reason


def integer(digits: str, base: int = 10) -> int:
    """A whole number.

    Raises:
        LiteralError: it has more digits than the limit.
    """
    if len(digits) > MAX_DIGITS:
        raise LiteralError(digits, f"has a number of {len(digits)} digits; the limit is {MAX_DIGITS}")
    return int(digits, base)


def real(literal: str) -> float:
    """A number with a fraction or an exponent.

    Raises:
        LiteralError: it is larger than a double can be.
    """
    value = float(literal)
    if math.isinf(value):
        raise LiteralError(literal, f"has the number {literal[:_SHOWN_DIGITS]}, which is too large")
    return value
