"""Decide whether every string that matches one regular expression also matches another expression.

The module supports the part of ECMAScript's regular expressions that describes regular languages: literals,
classes, groups, alternatives, repetitions, `^` and `$`. Any other construct (a look-around, a back-reference,
a word boundary, a property of Unicode) is not supported: the functions of this module return None for an
expression with such a construct.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from infra_openapi.schema.limits import PATTERN, PATTERNS, Limit

#: Inclusive ranges of code points, sorted and disjoint.
Characters: TypeAlias = tuple[tuple[int, int], ...]
States: TypeAlias = frozenset[int]

_MAX_CODE_POINT = 0x10FFFF
_DIGITS: Characters = ((48, 57),)
_WORD: Characters = ((48, 57), (65, 90), (95, 95), (97, 122))
# Source: ECMA-262, "CharacterClassEscape", WhiteSpace and LineTerminator.
_SPACE: Characters = (
    (9, 13),
    (32, 32),
    (160, 160),
    (5760, 5760),
    (8192, 8202),
    (8232, 8233),
    (8239, 8239),
    (8287, 8287),
    (12288, 12288),
    (65279, 65279),
)
_LINE_ENDS: Characters = ((10, 10), (13, 13), (8232, 8233))
_CONTROLS = {"n": 10, "r": 13, "t": 9, "f": 12, "v": 11, "0": 0}
_START, _END = "^", "$"


class _UnsupportedError(Exception):
    """Raised if a regular expression contains a construct that this module does not support."""


class _TooLargeError(Exception):
    """Raised if the automaton of a regular expression has too many states."""


@dataclass(slots=True)
class Automaton:
    """A finite automaton for one regular expression, with states and transitions.

    State 0 is the initial state. The expression matches if the automaton reaches the state `final`.
    """

    #: For each state, its transitions: the characters and the next state.
    transitions: list[list[tuple[Characters, int]]] = field(default_factory=list)
    #: For each state, its transitions without a character: the condition ("": always, "^": at the start of
    #: the string, "$": at the end) and the next state.
    empty_transitions: list[list[tuple[str, int]]] = field(default_factory=list)
    final: int = 0

    def state(self) -> int:
        """Add a state to the automaton, and return the number of the new state."""
        if len(self.transitions) >= PATTERN.number:
            raise _TooLargeError
        self.transitions.append([])
        self.empty_transitions.append([])
        return len(self.transitions) - 1

    def closure(self, states: Iterable[int], *, start: bool = False, end: bool = False) -> States:
        """Return `states`, and all states that the automaton can reach from `states` without a character."""
        reached = set(states)
        queue = list(reached)
        while queue:
            for kind, next_state in self.empty_transitions[queue.pop()]:
                is_possible = not kind or (start and kind == _START) or (end and kind == _END)
                if is_possible and next_state not in reached:
                    reached.add(next_state)
                    queue.append(next_state)
        return frozenset(reached)

    def after(self, states: States, code: int) -> States:
        """Return the states that the automaton can reach from `states` if it reads one character."""
        transitions = (transition for state in states for transition in self.transitions[state])
        return self.closure(target for characters, target in transitions if _within(code, characters))

    def accepts(self, states: States, *, start: bool) -> bool:
        """Return whether the expression matches a string that ends when the automaton is in these states."""
        return self.final in self.closure(states, start=start, end=True)


class _Reader:
    """Parses a regular expression, and builds an automaton that finds a match anywhere in a string."""

    def __init__(self, expression: str) -> None:
        self._text, self._index = expression, 0
        self._automaton = Automaton()

    def automaton(self) -> Automaton:
        automaton = self._automaton
        initial = automaton.state()
        automaton.transitions[initial].append((((0, _MAX_CODE_POINT),), initial))
        start, end = self._alternatives()
        if self._index < len(self._text):
            raise _UnsupportedError
        automaton.empty_transitions[initial].append(("", start))
        automaton.transitions[end].append((((0, _MAX_CODE_POINT),), end))
        automaton.final = end
        return automaton

    def _peek(self) -> str:
        return self._text[self._index : self._index + 1]

    def _take(self, text: str) -> bool:
        if not self._text.startswith(text, self._index):
            return False
        self._index += len(text)
        return True

    def _next(self) -> str:
        character = self._peek()
        if not character:
            raise _UnsupportedError
        self._index += 1
        return character

    def _alternatives(self) -> tuple[int, int]:
        start, end = self._automaton.state(), self._automaton.state()
        while True:
            sequence_start, sequence_end = self._sequence()
            self._automaton.empty_transitions[start].append(("", sequence_start))
            self._automaton.empty_transitions[sequence_end].append(("", end))
            if not self._take("|"):
                return start, end

    def _sequence(self) -> tuple[int, int]:
        start = end = self._automaton.state()
        while self._peek() not in {"", "|", ")"}:
            atom_index = self._index
            atom_start, atom_end = self._atom()
            atom_start, atom_end = self._repeated(atom_index, self._index, atom_start, atom_end)
            self._automaton.empty_transitions[end].append(("", atom_start))
            end = atom_end
        return start, end

    def _atom(self) -> tuple[int, int]:
        character = self._next()
        if character in {_START, _END}:
            start, end = self._automaton.state(), self._automaton.state()
            self._automaton.empty_transitions[start].append((character, end))
            return start, end
        if character == "(":
            if self._take("?<") and self._peek() in {"=", "!", ""}:
                raise _UnsupportedError
            if self._text.startswith("?<", self._index - 2):
                self._index = self._text.index(">", self._index) + 1
            elif self._peek() == "?" and not self._take("?:"):
                raise _UnsupportedError
            states = self._alternatives()
            if not self._take(")"):
                raise _UnsupportedError
            return states
        if character in {"*", "+", "?", "{"}:
            raise _UnsupportedError
        return self._character(self._class() if character == "[" else self._single(character))

    def _character(self, characters: Characters) -> tuple[int, int]:
        start, end = self._automaton.state(), self._automaton.state()
        self._automaton.transitions[start].append((characters, end))
        return start, end

    def _single(self, character: str) -> Characters:
        if character == ".":
            return _others(_LINE_ENDS)
        return self._escaped() if character == "\\" else _only(ord(character))

    def _escaped(self) -> Characters:
        character = self._next()
        classes = {"d": _DIGITS, "w": _WORD, "s": _SPACE}
        if character.lower() in classes:
            ranges = classes[character.lower()]
            return _others(ranges) if character.isupper() else ranges
        if character in _CONTROLS:
            return _only(_CONTROLS[character])
        if character in {"x", "u"}:
            digits = self._text[self._index : self._index + (2 if character == "x" else 4)]
            self._index += len(digits)
            try:
                return _only(int(digits, 16))
            except ValueError:
                raise _UnsupportedError from None
        if character.isalnum():
            raise _UnsupportedError
        return _only(ord(character))

    def _class(self) -> Characters:
        negated = self._take("^")
        ranges: list[tuple[int, int]] = []
        while not self._take("]"):
            low = self._member()
            if self._peek() == "-" and self._text[self._index + 1 : self._index + 2] not in {"]", ""}:
                self._index += 1
                high = self._member()
                if len(low) != 1 or len(high) != 1 or low[0][0] > high[0][1]:
                    raise _UnsupportedError
                ranges.append((low[0][0], high[0][1]))
            else:
                ranges += low
        characters = _sorted(ranges)
        return _others(characters) if negated else characters

    def _member(self) -> Characters:
        character = self._next()
        if character == "\\":
            return _only(8) if self._take("b") else self._escaped()
        return _only(ord(character))

    def _repeated(self, start: int, end: int, atom_start: int, atom_end: int) -> tuple[int, int]:
        minimum, maximum = self._counts()
        if (minimum, maximum) == (1, 1):
            return atom_start, atom_end
        if max(minimum, maximum or 0) > PATTERN.number:
            raise _TooLargeError
        automaton, next_index = self._automaton, self._index
        first_state = last_state = automaton.state()
        optional: list[int] = []
        for number in range(maximum if maximum is not None else max(minimum, 1)):
            copy = (atom_start, atom_end) if number == 0 else self._again(start, end)
            optional += [last_state] if number >= minimum else []
            automaton.empty_transitions[last_state].append(("", copy[0]))
            if maximum is None and number == max(minimum, 1) - 1:
                automaton.empty_transitions[copy[1]].append(("", copy[0]))
            last_state = copy[1]
        for state in optional:
            automaton.empty_transitions[state].append(("", last_state))
        self._index = next_index
        return first_state, last_state

    def _again(self, start: int, end: int) -> tuple[int, int]:
        """Parse the expression from index `start` to `end` again, and add the states of one more repetition.

        For example, `a{3}` is parsed as three times `a`.
        """
        self._index = start
        states = self._atom()
        if self._index != end:
            raise _UnsupportedError
        return states

    def _counts(self) -> tuple[int, int | None]:
        counts: tuple[int, int | None] = (1, 1)
        if self._take("*"):
            counts = (0, None)
        elif self._take("+"):
            counts = (1, None)
        elif self._take("?"):
            counts = (0, 1)
        elif self._take("{"):
            content, brace, _ = self._text[self._index :].partition("}")
            minimum, comma, maximum = content.partition(",")
            if not (brace and minimum.isdecimal() and (not maximum or maximum.isdecimal())):
                raise _UnsupportedError
            self._index += len(content) + 1
            counts = int(minimum), int(maximum) if maximum else None if comma else int(minimum)
        else:
            return counts
        self._take("?")  # a lazy repetition matches the same strings as a greedy repetition
        if self._peek() in {"*", "+", "?", "{"}:
            raise _UnsupportedError
        return counts


def _only(code_point: int) -> Characters:
    return ((code_point, code_point),)


def _sorted(ranges: Iterable[tuple[int, int]]) -> Characters:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _others(characters: Characters) -> Characters:
    ranges, low = [], 0
    for start, end in characters:
        if low < start:
            ranges.append((low, start - 1))
        low = end + 1
    return (*ranges, (low, _MAX_CODE_POINT)) if low <= _MAX_CODE_POINT else tuple(ranges)


def _within(code_point: int, characters: Characters) -> bool:
    return any(low <= code_point <= high for low, high in characters)


@functools.lru_cache(maxsize=2048)
def automaton(expression: str) -> Automaton | Limit | None:
    """Return the automaton of a regular expression; None if the expression is not supported.

    The result is the limit `PATTERN` if the automaton has too many states.
    """
    try:
        return _Reader(expression).automaton()
    except _TooLargeError:
        return PATTERN
    except (_UnsupportedError, RecursionError, ValueError):
        return None


def matches(expression: str, text: str) -> bool | None:
    """Return whether a regular expression matches a string, in polynomial time.

    The result is None if the expression is not supported or too large.
    """
    machine = automaton(expression)
    if machine is None or isinstance(machine, Limit):
        return None
    states = machine.closure([0], start=True)
    for character in text:
        states = machine.after(states, ord(character))
    return machine.accepts(states, start=not text)


def counterexample(narrow: Sequence[str], wide: str) -> str | bool | Limit | None:
    """Return a string that matches all expressions in `narrow`, but not the expression `wide`.

    The result is False if no such string exists, None if an expression is not supported, and a limit if the
    search reaches this limit.
    """
    automata = [automaton(expression) for expression in (*narrow, wide)]
    machines = [machine for machine in automata if isinstance(machine, Automaton)]
    if len(machines) < len(automata):
        return None if None in automata else PATTERN
    code_points = _representatives(machines)
    initial = tuple(machine.closure([0], start=True) for machine in machines)
    texts: dict[tuple[States, ...], str] = {initial: ""}
    queue = deque([initial])
    while queue:
        current = queue.popleft()
        text = texts[current]
        *narrow_matches, wide_matches = (
            machine.accepts(states, start=not text) for machine, states in zip(machines, current, strict=True)
        )
        if all(narrow_matches) and not wide_matches:
            return text
        for code_point in code_points:
            following = tuple(
                machine.after(states, code_point) for machine, states in zip(machines, current, strict=True)
            )
            if following not in texts:
                if len(texts) >= PATTERNS.number:
                    return PATTERNS
                texts[following] = text + chr(code_point)
                queue.append(following)
    return False


def _representatives(machines: Iterable[Automaton]) -> list[int]:
    """Return the code point of one character for each set of characters that the automata do not distinguish.

    Printable ASCII characters are first in the list.
    """
    borders = {0}
    for machine in machines:
        for state_transitions in machine.transitions:
            for characters, _ in state_transitions:
                for low, high in characters:
                    borders |= {low, high + 1}
    sorted_borders = sorted(borders)
    pairs = zip(sorted_borders, [*sorted_borders[1:], _MAX_CODE_POINT + 1], strict=True)
    code_points = [_readable(low, high - 1) for low, high in pairs if low < high]
    return sorted(code_points, key=lambda code_point: (not 32 <= code_point < 127, code_point))


def _readable(low: int, high: int) -> int:
    preferred: Iterator[int] = (code for code in (120, 97, 65, 48, 32, 33) if low <= code <= high)
    return next(preferred, min(low, _MAX_CODE_POINT))


def of_lengths(minimum: float | None, maximum: float | None) -> str:
    """Return a regular expression that matches exactly the strings of `minimum` to `maximum` characters."""
    return f"^[^]{{{int(minimum or 0)},{'' if maximum is None else int(maximum)}}}$"


def of_texts(texts: Iterable[str]) -> str:
    """Return a regular expression that matches exactly the strings in `texts`."""
    return f"^(?:{'|'.join(map(_quoted, texts))})$"


def _quoted(text: str) -> str:
    return "".join(sign if sign.isalnum() or ord(sign) > 0xFFFF else f"\\u{ord(sign):04x}" for sign in text)
