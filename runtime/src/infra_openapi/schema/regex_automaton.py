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

_LAST = 0x10FFFF
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


class _UnreadableError(Exception):
    """Raised if a regular expression contains a construct that this module does not support."""


class _TooLargeError(Exception):
    """Raised if the automaton of a regular expression has too many states."""


@dataclass(slots=True)
class Automaton:
    """A finite automaton for one regular expression, with states and transitions.

    State 0 is the initial state. If the last state is reached, the expression matches.
    """

    #: For each state, the transitions: the characters and the next state.
    steps: list[list[tuple[Characters, int]]] = field(default_factory=list)
    #: For each state, the transitions without a character, which are possible always (""), or only at the
    #: start or end of the string.
    jumps: list[list[tuple[str, int]]] = field(default_factory=list)
    last: int = 0

    def state(self) -> int:
        """Add a state to the automaton, and return the number of the new state."""
        if len(self.steps) >= PATTERN.number:
            raise _TooLargeError
        self.steps.append([])
        self.jumps.append([])
        return len(self.steps) - 1

    def closure(self, states: Iterable[int], *, start: bool = False, end: bool = False) -> States:
        """Return `states` and all states that can be reached from them without reading a character."""
        reached = set(states)
        waiting = list(reached)
        while waiting:
            for kind, to in self.jumps[waiting.pop()]:
                allowed = not kind or (start and kind == _START) or (end and kind == _END)
                if allowed and to not in reached:
                    reached.add(to)
                    waiting.append(to)
        return frozenset(reached)

    def after(self, states: States, point: int) -> States:
        """Return the states that can be reached from `states` by reading one character."""
        return self.closure(
            to for state in states for characters, to in self.steps[state] if _within(point, characters)
        )

    def accepts(self, states: States, *, start: bool) -> bool:
        """Return whether the expression matches a string that ends when the automaton is in these states."""
        return self.last in self.closure(states, start=start, end=True)


class _Reader:
    """Parses a regular expression, and builds an automaton that finds a match anywhere in a string."""

    def __init__(self, expression: str) -> None:
        self._text, self._at = expression, 0
        self._made = Automaton()

    def automaton(self) -> Automaton:
        made = self._made
        first = made.state()
        made.steps[first].append((((0, _LAST),), first))
        begin, finish = self._alternatives()
        if self._at < len(self._text):
            raise _UnreadableError
        made.jumps[first].append(("", begin))
        made.steps[finish].append((((0, _LAST),), finish))
        made.last = finish
        return made

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, text: str) -> bool:
        if not self._text.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def _next(self) -> str:
        character = self._peek()
        if not character:
            raise _UnreadableError
        self._at += 1
        return character

    def _alternatives(self) -> tuple[int, int]:
        begin, finish = self._made.state(), self._made.state()
        while True:
            inner, outer = self._sequence()
            self._made.jumps[begin].append(("", inner))
            self._made.jumps[outer].append(("", finish))
            if not self._take("|"):
                return begin, finish

    def _sequence(self) -> tuple[int, int]:
        begin = finish = self._made.state()
        while self._peek() not in {"", "|", ")"}:
            at = self._at
            inner, outer = self._atom()
            inner, outer = self._repeated(at, self._at, inner, outer)
            self._made.jumps[finish].append(("", inner))
            finish = outer
        return begin, finish

    def _atom(self) -> tuple[int, int]:
        character = self._next()
        if character in {_START, _END}:
            begin, finish = self._made.state(), self._made.state()
            self._made.jumps[begin].append((character, finish))
            return begin, finish
        if character == "(":
            if self._take("?<") and self._peek() in {"=", "!", ""}:
                raise _UnreadableError
            if self._text.startswith("?<", self._at - 2):
                self._at = self._text.index(">", self._at) + 1
            elif self._peek() == "?" and not self._take("?:"):
                raise _UnreadableError
            states = self._alternatives()
            if not self._take(")"):
                raise _UnreadableError
            return states
        if character in {"*", "+", "?", "{"}:
            raise _UnreadableError
        return self._character(self._class() if character == "[" else self._single(character))

    def _character(self, characters: Characters) -> tuple[int, int]:
        begin, finish = self._made.state(), self._made.state()
        self._made.steps[begin].append((characters, finish))
        return begin, finish

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
            digits = self._text[self._at : self._at + (2 if character == "x" else 4)]
            self._at += len(digits)
            try:
                return _only(int(digits, 16))
            except ValueError:
                raise _UnreadableError from None
        if character.isalnum():
            raise _UnreadableError
        return _only(ord(character))

    def _class(self) -> Characters:
        negated = self._take("^")
        ranges: list[tuple[int, int]] = []
        while not self._take("]"):
            first = self._member()
            if self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in {"]", ""}:
                self._at += 1
                last = self._member()
                if len(first) != 1 or len(last) != 1 or first[0][0] > last[0][1]:
                    raise _UnreadableError
                ranges.append((first[0][0], last[0][1]))
            else:
                ranges += first
        made = _sorted(ranges)
        return _others(made) if negated else made

    def _member(self) -> Characters:
        character = self._next()
        if character == "\\":
            return _only(8) if self._take("b") else self._escaped()
        return _only(ord(character))

    def _repeated(self, start: int, end: int, inner: int, outer: int) -> tuple[int, int]:
        least, most = self._counts()
        if (least, most) == (1, 1):
            return inner, outer
        if max(least, most or 0) > PATTERN.number:
            raise _TooLargeError
        made, after = self._made, self._at
        begin = finish = made.state()
        optional: list[int] = []
        for number in range(most if most is not None else max(least, 1)):
            copy = (inner, outer) if number == 0 else self._again(start, end)
            optional += [finish] if number >= least else []
            made.jumps[finish].append(("", copy[0]))
            if most is None and number == max(least, 1) - 1:
                made.jumps[copy[1]].append(("", copy[0]))
            finish = copy[1]
        for state in optional:
            made.jumps[state].append(("", finish))
        self._at = after
        return begin, finish

    def _again(self, start: int, end: int) -> tuple[int, int]:
        """Parse the text from `start` to `end` again, for one more repetition in the automaton.

        For example, `a{3}` is parsed as three times `a`.
        """
        self._at = start
        states = self._atom()
        if self._at != end:
            raise _UnreadableError
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
            inner, closed, _ = self._text[self._at :].partition("}")
            least, comma, most = inner.partition(",")
            if not (closed and least.isdecimal() and (not most or most.isdecimal())):
                raise _UnreadableError
            self._at += len(inner) + 1
            counts = int(least), int(most) if most else None if comma else int(least)
        else:
            return counts
        self._take("?")  # a lazy repetition matches the same strings as a greedy repetition
        if self._peek() in {"*", "+", "?", "{"}:
            raise _UnreadableError
        return counts


def _only(point: int) -> Characters:
    return ((point, point),)


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
    for first, last in characters:
        if low < first:
            ranges.append((low, first - 1))
        low = last + 1
    return (*ranges, (low, _LAST)) if low <= _LAST else tuple(ranges)


def _within(point: int, characters: Characters) -> bool:
    return any(low <= point <= high for low, high in characters)


@functools.lru_cache(maxsize=2048)
def automaton(expression: str) -> Automaton | Limit | None:
    """Return the automaton of a regular expression; None if the expression is not supported."""
    try:
        return _Reader(expression).automaton()
    except _TooLargeError:
        return PATTERN
    except (_UnreadableError, RecursionError, ValueError):
        return None


def matches(expression: str, text: str) -> bool | None:
    """Return whether a regular expression matches a string, in polynomial time.

    The result is None if the expression is not supported or too large.
    """
    made = automaton(expression)
    if made is None or isinstance(made, Limit):
        return None
    states = made.closure([0], start=True)
    for character in text:
        states = made.after(states, ord(character))
    return made.accepts(states, start=not text)


def counterexample(narrow: Sequence[str], wide: str) -> str | bool | Limit | None:
    """Return a string that matches all expressions in `narrow`, but not the expression `wide`.

    The result is False if no such string exists. It is None if an expression is not supported, and a limit if
    the search reaches this limit.
    """
    automata = [automaton(expression) for expression in (*narrow, wide)]
    machines = [machine for machine in automata if isinstance(machine, Automaton)]
    if len(machines) < len(automata):
        return None if None in automata else PATTERN
    points = _points(machines)
    first = tuple(machine.closure([0], start=True) for machine in machines)
    came: dict[tuple[States, ...], str] = {first: ""}
    waiting = deque([first])
    while waiting:
        here = waiting.popleft()
        text = came[here]
        *inside, outside = (
            machine.accepts(states, start=not text) for machine, states in zip(machines, here, strict=True)
        )
        if all(inside) and not outside:
            return text
        for point in points:
            there = tuple(
                machine.after(states, point) for machine, states in zip(machines, here, strict=True)
            )
            if there not in came:
                if len(came) >= PATTERNS.number:
                    return PATTERNS
                came[there] = text + chr(point)
                waiting.append(there)
    return False


def _points(machines: Iterable[Automaton]) -> list[int]:
    """Return one character for each set of characters that the automata do not distinguish.

    Readable characters are returned first.
    """
    borders = {0}
    for made in machines:
        for steps in made.steps:
            for characters, _ in steps:
                for low, high in characters:
                    borders |= {low, high + 1}
    ends = sorted(borders)
    pairs = zip(ends, [*ends[1:], _LAST + 1], strict=True)
    points = [_readable(low, high - 1) for low, high in pairs if low < high]
    return sorted(points, key=lambda point: (not 32 <= point < 127, point))


def _readable(low: int, high: int) -> int:
    preferred: Iterator[int] = (point for point in (120, 97, 65, 48, 32, 33) if low <= point <= high)
    return next(preferred, min(low, _LAST))


def of_lengths(least: float | None, most: float | None) -> str:
    """Return a regular expression that matches all strings with `least` to `most` characters."""
    return f"^[^]{{{int(least or 0)},{'' if most is None else int(most)}}}$"


def of_texts(texts: Iterable[str]) -> str:
    """Return a regular expression that matches exactly the strings in `texts`."""
    return f"^(?:{'|'.join(map(_quoted, texts))})$"


def _quoted(text: str) -> str:
    return "".join(sign if sign.isalnum() or ord(sign) > 0xFFFF else f"\\u{ord(sign):04x}" for sign in text)
