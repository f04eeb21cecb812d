"""Regular expressions of requests: the same result as `re`, in a time that is proportional to the text."""

from __future__ import annotations

import random
import re

import pytest

from fakes.samples import every
from infra_runtime.logs import linear_pattern
from infra_runtime.logs.linear_pattern import LinearPattern, PatternError

EXPRESSIONS = [
    *("", "a+b", "^x", "x$", "^$", "foo|bar", r"\bword\b", r"\Bx", "[^a-z]{2,3}", "a{0,2}c$", r"\d+ms"),
    *("(?i)Error", "(?i:\u00e4)x", "(?-i:E)r", ".*x.*y", "(a|ab)(c|bcd)$", "(?:)*a", "a??b", r"\s\S", "[]-]"),
    *("(?x) a b # comment", "(?P<name>a)+", r"\A\w+\Z"),
]
TEXTS = [
    *("", "aab", "x", "bar", "a word.", "AB1", "ERROR", "Er", "\u00c4x", "aac", "12ms", "xqy", "abcd", "ax"),
    *(" q", "swordfish", "b", "a]b", "\U0001f600x", "\x00x", "ab"),
]


@every(EXPRESSIONS)
def test_the_result_is_that_of_re(expression: str) -> None:
    pattern, other = LinearPattern(expression), re.compile(expression)

    assert [text for text in TEXTS if pattern.search(text)] == [text for text in TEXTS if other.search(text)]


@pytest.mark.parametrize("expression", ["(a+)+$", "(a|a)*b$", "(.*)*x", "a*a*a*a*a*a*b", "(a?){50}a{50}$"])
def test_an_expression_that_is_slow_in_re_needs_few_steps(expression: str) -> None:
    pattern = LinearPattern(expression)

    assert pattern.search("a" * 10_000 + "!") is None
    assert pattern._computed < 200


@pytest.mark.parametrize("kept", [1_000, linear_pattern.CHARACTERS])
@pytest.mark.parametrize("expression", ["(a|b)*c$", r"\bERROR\b.*[0-9]{3}$", "(?i)é+x$", "[^a-z]{5}a$"])
def test_a_text_with_very_many_different_characters_needs_few_steps(
    expression: str, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log can be binary, or in Chinese."""
    monkeypatch.setattr(linear_pattern, "CHARACTERS", kept)
    pattern = LinearPattern(expression)
    text = "".join(map(chr, range(0x20, 0x2000)))

    assert pattern.search(text) is None
    assert pattern.search(f"{text} ERROR a 123") == (True if "ERROR" in expression else None)
    assert pattern._computed < 500


def test_an_expression_with_too_many_different_states_is_refused_during_the_search() -> None:
    pattern = LinearPattern("(a|b)*a(a|b){30}c")
    text = "".join(random.Random(1).choices("ab", k=100_000))

    with pytest.raises(PatternError, match="too complex for these lines"):
        pattern.search(text)


@every(
    [
        ("(", "unterminated"),
        ("[z-a]", "bad character range"),
        ("(?=a)", "a look-around is not supported"),
        ("(?<!a)b", "a look-around is not supported"),
        (r"(a)\1", "a reference to a group is not supported"),
        ("(?>a)", "an atomic group is not supported"),
        ("a++", "a possessive repetition is not supported"),
        ("a" * 201, "more than 200 characters"),
        ("(a{1,100}){1,100}", "too complex"),
        ("a{99999999999}", "too (complex|large)|overflow"),
        ("(" * 199, "unterminated|recursion"),
    ]
)
def test_an_expression_that_cannot_be_used_has_a_reason(expression: str, reason: str) -> None:
    with pytest.raises(PatternError, match=f"(?i){reason}"):
        LinearPattern(expression)
