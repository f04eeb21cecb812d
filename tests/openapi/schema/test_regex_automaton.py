"""Regular expressions as sets of strings, compared with Python's `re`."""

from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("yaml", reason="needs the extra `openapi`")

from fakes.samples import every
from infra_openapi.schema.regex_automaton import counterexample, matches, of_lengths, of_texts

TEXTS = ["".join(letters) for size in range(4) for letters in product("ab1.", repeat=size)]
ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", r"\.", "[a-b1]"])
REPEATED = st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0,2}", "{2,}", "+?"])
PARTS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join).map("({})".format),
        st.tuples(inner.map("(?:{})".format), REPEATED).map("".join),
    ),
    max_leaves=5,
)
EXPRESSIONS = st.tuples(st.sampled_from(["", "^"]), PARTS, st.sampled_from(["", "$"])).map("".join)


def found(expression: str, text: str) -> bool:
    # Python's `$` matches before a last line end as well; ECMAScript's does not.
    return re.search(expression.replace("$", r"\Z"), text) is not None


@given(EXPRESSIONS)
def test_an_expression_matches_the_same_texts_as_in_python(expression: str) -> None:
    assert [text for text in TEXTS if matches(expression, text)] == [
        text for text in TEXTS if found(expression, text)
    ]


@given(EXPRESSIONS, EXPRESSIONS)
def test_a_counterexample_is_valid_and_exists_only_for_wider_expressions(narrow: str, wide: str) -> None:
    answer = counterexample([narrow], wide)

    if isinstance(answer, str):
        assert found(narrow, answer)
        assert not found(wide, answer)
    else:
        assert answer is False
        assert [text for text in TEXTS if found(narrow, text) and not found(wide, text)] == []


@every(["^(?=a)", "(?<!a)b", r"(a)\1", r"\bword", r"\p{L}", "(", "[b-a]", "a**", "{2}"])
def test_invalid_and_non_regular_expressions_are_not_compared(expression: str) -> None:
    assert matches(expression, "a") is None
    assert counterexample([expression], "a") is None


def test_an_expression_with_exponential_backtracking_is_compared() -> None:
    assert matches("^(a+)+$", "a" * 200 + "b") is False


def test_lengths_and_lists_are_compared_with_expressions() -> None:
    assert counterexample(["^.{1,5}$"], of_lengths(None, 5)) is False
    assert counterexample(["^.{1,5}$"], of_lengths(2, None)) == "x"
    assert counterexample([r"^(?:a\.b|c)$"], of_texts(["c", "a.b"])) is False
    assert counterexample(["^(?<name>a|b)$"], of_texts(["a"])) == "b"
