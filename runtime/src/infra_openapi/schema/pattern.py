"""Patterns of a document, matched only where that takes bounded time."""

from __future__ import annotations

import re

from infra_openapi.schema import regex_automaton

#: A repetition of what repeats, or of what can be read in two ways, may take exponential time.
_RISKY = re.compile(r"[+*}?]\)*\)[+*{]|\|[^()]*\)[+*{]|\\[1-9]")
_LONGEST = 256


def matches(pattern: str, text: str) -> bool | None:
    """Whether a text matches; None where that is not asked: a risky pattern, or one that isn't Python's."""
    if len(text) > _LONGEST:
        return None
    answer = regex_automaton.matches(pattern, text)
    if answer is None and harmless(pattern):
        return re.search(pattern, text) is not None
    return answer


def harmless(pattern: str) -> bool:
    """Whether a pattern is one of Python's, and cannot run away."""
    if _RISKY.search(pattern):
        return False
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return True
