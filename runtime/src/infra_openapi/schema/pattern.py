"""Match the `pattern` of a schema with an automaton, or with `re` if this cannot take exponential time."""

from __future__ import annotations

import re

from infra_openapi.schema import regex_automaton

#: Nested repetitions, repetitions of alternatives, and back-references can take exponential time.
_RISKY = re.compile(r"[+*}?]\)*\)[+*{]|\|[^()]*\)[+*{]|\\[1-9]")
#: The length of the longest text that is matched with `re`, because `re` can take polynomial time.
_MAX_LENGTH = 256


def matches(pattern: str, text: str) -> bool | None:
    """Return whether a string matches a pattern; None if this cannot be decided.

    The module `regex_automaton` is used if it supports the pattern. Otherwise `re` is used, and the result is
    None if the pattern is invalid in Python, if the pattern can take exponential time, or if `text` has more
    than `_MAX_LENGTH` characters.
    """
    answer = regex_automaton.matches(pattern, text)
    if answer is None and len(text) <= _MAX_LENGTH and harmless(pattern):
        return re.search(pattern, text) is not None
    return answer


def harmless(pattern: str) -> bool:
    """Return whether a pattern is valid in Python and has no construct of `_RISKY`."""
    if _RISKY.search(pattern):
        return False
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return True
