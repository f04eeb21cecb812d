"""Convert numbers in a JSON or YAML text, and define the maximum number of digits and of values."""

from __future__ import annotations

import math

#: The maximum number of values in a document. The document of GitHub's API with every reference expanded has
#: 900,000 values.
MAX_VALUES = 3_000_000
MAX_DIGITS = 1000
_MAX_DIGITS_IN_MESSAGE = 40


class LiteralError(ValueError):
    """Raised for an invalid number or word in a JSON or YAML text.

    The caller adds the location in the file to the message.
    """

    def __init__(self, literal: str, reason: str) -> None:
        super().__init__(literal, reason)
        self.literal, self.reason = literal, reason


def integer(digits: str, base: int = 10) -> int:
    """Return the integer that a string of digits represents.

    Raises:
        LiteralError: `digits`, with its sign, has more than `MAX_DIGITS` characters.
    """
    if len(digits) > MAX_DIGITS:
        raise LiteralError(
            digits, f"the document has a number of {len(digits)} digits; the limit is {MAX_DIGITS}"
        )
    return int(digits, base)


def real(literal: str) -> float:
    """Return the number that a string with a fraction or an exponent represents, such as `1.5` or `1e3`.

    Raises:
        LiteralError: the absolute value is larger than the largest double.
    """
    value = float(literal)
    if math.isinf(value):
        raise LiteralError(
            literal, f"the document has the number {literal[:_MAX_DIGITS_IN_MESSAGE]}, which is too large"
        )
    return value
