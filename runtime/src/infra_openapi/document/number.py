"""Convert numbers of a text, with limits for digits and for the number of values."""

from __future__ import annotations

import math

#: The maximum number of values in a document; GitHub's API with every reference expanded has 900,000.
MAX_VALUES = 3_000_000
MAX_DIGITS = 1000
_SHOWN_DIGITS = 40


class LiteralError(ValueError):
    """An invalid number or word; the caller adds its location."""

    def __init__(self, literal: str, reason: str) -> None:
        super().__init__(literal, reason)
        self.literal, self.reason = literal, reason


def integer(digits: str, base: int = 10) -> int:
    """Convert an integer.

    Raises:
        LiteralError: the number has too many digits.
    """
    if len(digits) > MAX_DIGITS:
        raise LiteralError(digits, f"has a number of {len(digits)} digits; the limit is {MAX_DIGITS}")
    return int(digits, base)


def real(literal: str) -> float:
    """Convert a number with a fraction or an exponent.

    Raises:
        LiteralError: the number is larger than the largest double.
    """
    value = float(literal)
    if math.isinf(value):
        raise LiteralError(literal, f"has the number {literal[:_SHOWN_DIGITS]}, which is too large")
    return value
