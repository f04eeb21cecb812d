"""The limits of the comparison, and the answer of a proof that can end at a limit.

A proof that ends at a limit proves nothing. Unless another proof succeeds, the comparison of the schemas then
adds a fact that names the limit. By default, this fact is a warning in the report.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias


class Limit(NamedTuple):
    """A limit of the comparison: the maximum number, and the noun phrase for what is counted."""

    number: int
    counted: str

    def __str__(self) -> str:
        return f"{self.number:,} {self.counted}"


#: The result of a proof: whether the statement is proved, or the limit at which the proof was stopped.
Answer: TypeAlias = bool | Limit

#: The limits of one search for a value.
STEPS: Final = Limit(3000, "steps in the search for a value")
VALUE_DEPTH: Final = Limit(24, "levels of properties and items in the search for a value")
#: The limit that is reported if the search exceeds Python's recursion limit. This is possible below
#: `VALUE_DEPTH` if the value must satisfy many conditions.
STACK: Final = Limit(1000, "nested calls in the search for a value")
#: The depth of nested pairs in a proof that one schema includes another schema.
PROOF_DEPTH: Final = Limit(60, "levels of schemas in the proof that one schema includes another schema")
#: The number of searches in the comparison of two unions. Each search looks for a value that two alternatives
#: of a `oneOf` allow.
OVERLAPS: Final = Limit(2000, "searches for a value that two alternatives of `oneOf` allow")
#: A schema with several unions has one alternative for each combination of the unions' alternatives.
COMBINATIONS: Final = Limit(256, "combinations of the alternatives of several unions")
#: Limits of regular expressions: the states of one automaton, and of a search in several automata.
PATTERN: Final = Limit(3000, "states of the automaton of a regular expression")
PATTERNS: Final = Limit(4000, "combinations of states in the comparison of regular expressions")
