"""Regular expressions; the time of a search is proportional to the length of the text.

Python's `re` tries alternatives one after the other, so that an expression such as `(a+)+$` can need years
for a line of 50 characters, and a search cannot be interrupted. A server must therefore not use `re` with the
expression of a request. This module follows all alternatives at the same time: it converts the expression to
an automaton, and computes a transition of the automaton when a text needs it.

The syntax is the syntax of `re`, without look-arounds, references to groups, atomic groups, and possessive
repetitions.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

#: the maximum numbers of characters of an expression, of states of its automaton, and of computed transitions
LONGEST, STATES, TRANSITIONS = 200, 400, 20_000
#: the maximum number of characters whose transitions are kept in memory, in all nodes together
CHARACTERS = 200_000

# `re` has no public function that returns the structure of an expression.
_parser: Any = importlib.import_module("re._parser")
_compiler: Any = importlib.import_module("re._compiler")
_WORD = re.compile(r"\w")
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT")
_ATOMS = ("LITERAL", "NOT_LITERAL", "ANY", "IN")
_FORBIDDEN = {
    "ASSERT": "a look-around",
    "ASSERT_NOT": "a look-around",
    "GROUPREF": "a reference to a group",
    "GROUPREF_EXISTS": "a reference to a group",
    "ATOMIC_GROUP": "an atomic group",
    "POSSESSIVE_REPEAT": "a possessive repetition",
}


class PatternError(ValueError):
    """An expression is not valid, is not supported, or is too complex."""


class _Context(NamedTuple):
    """A position in the text: the characters before and after it; empty at the start or end of the text."""

    before: str
    after: str

    def allows(self, anchor: str) -> bool:
        """Return whether an anchor such as `^` matches at this position."""
        if anchor.startswith("AT_BEGINNING"):
            return not self.before
        if anchor.startswith("AT_END"):
            return not self.after
        is_boundary = bool(_WORD.match(self.before)) != bool(_WORD.match(self.after))
        return is_boundary == (anchor == "AT_BOUNDARY")


class LinearPattern:
    """A regular expression, with the transitions of its automaton that have been computed so far."""

    def __init__(self, expression: str) -> None:
        """Compile an expression. Raises `PatternError` if it is not valid, not supported or too complex."""
        if len(expression) > LONGEST:
            raise PatternError(f"it has more than {LONGEST} characters")
        #: the transitions of each state: transitions for a character (as a compiled expression for one
        #: character), and transitions without a character (with an anchor, or an empty string)
        self._steps: list[list[tuple[re.Pattern[str], int]]] = []
        #: the different expressions for one character
        self._atoms: dict[tuple[str, int], re.Pattern[str]] = {}
        self._jumps: list[list[tuple[str, int]]] = []
        try:
            tree = _parser.parse(expression)
            self._first = self._state()
            self._last = self._add(tree, self._first, tree.state.flags)
        except (re.error, OverflowError, RecursionError) as error:
            raise PatternError(str(error)) from None
        self._computed = self._kept = 0
        self._known: dict[tuple[frozenset[int], str], _Node] = {}
        self._match = _Node(self, frozenset(), "")
        self._start = self._node(frozenset({self._first}), "")

    def search(self, text: str) -> bool | None:
        """Return True if a part of the text matches, and otherwise None.

        Raises `PatternError` if the search is too expensive.
        """
        node, match = self._start, self._match
        for character in text:
            node = node[character]
            if node is match:
                return True
        return True if self._last in self._closure(node.states, _Context(node.before, "")) else None

    # --- the automaton -----------------------------------------------------------------------------

    def _state(self) -> int:
        if len(self._steps) >= STATES:
            raise PatternError("it is too complex; use smaller numbers of repetitions")
        self._steps.append([])
        self._jumps.append([])
        return len(self._steps) - 1

    def _jump(self, start: int, end: int, anchor: str = "") -> None:
        self._jumps[start].append((anchor, end))

    def _add(self, items: Iterable[Any], start: int, flags: int) -> int:
        """Add the states of a sequence of items after the state `start`; return the last state."""
        for item in items:
            start = self._add_item(item, start, flags)
        return start

    def _add_item(self, item: Any, start: int, flags: int) -> int:
        kind, value = str(item[0]), item[1]
        if kind in _FORBIDDEN:
            raise PatternError(f"{_FORBIDDEN[kind]} is not supported")
        if kind == "SUBPATTERN":
            _, added, removed, inner_items = value
            return self._add(inner_items, start, (flags | added) & ~removed)
        if kind in _REPEATS:
            smallest_number, largest_number, inner_items = value
            return self._add_repeat(smallest_number, largest_number, inner_items, start, flags)
        end = self._state()
        if kind == "BRANCH":
            for branch in value[1]:
                self._jump(self._add(branch, start, flags), end)
        elif kind == "AT":
            self._jump(start, end, str(value))
        elif kind in _ATOMS:
            key = repr(item), flags
            atom = self._atoms[key] = self._atoms.get(key) or _one(item, flags)
            self._steps[start].append((atom, end))
        else:
            raise PatternError(f"{kind.lower()} is not supported")
        return end

    def _add_repeat(
        self, smallest_number: int, largest_number: int, inner_items: Any, start: int, flags: int
    ) -> int:
        for _ in range(int(smallest_number)):
            start = self._add(inner_items, start, flags)
        end = self._state()
        if largest_number == _parser.MAXREPEAT:
            loop = self._state()
            self._jump(start, loop)
            self._jump(self._add(inner_items, loop, flags), loop)
            self._jump(loop, end)
            return end
        self._jump(start, end)
        for _ in range(int(largest_number) - int(smallest_number)):
            start = self._add(inner_items, start, flags)
            self._jump(start, end)
        return end

    # --- the search --------------------------------------------------------------------------------

    def _node(self, states: frozenset[int], previous_character: str) -> _Node:
        # Only the kind of the previous character matters, so that similar positions share a node.
        kind = "" if not previous_character else "a" if _WORD.match(previous_character) else " "
        return self._known.setdefault((states, kind), _Node(self, states, kind))

    def after(self, node: _Node, character: str) -> _Node:
        """Return the node after a character. Raises `PatternError` after too many different transitions.

        Characters that the expression does not distinguish share a transition.
        """
        self._kept += 1
        if self._kept > CHARACTERS:
            self._kept = 0
            for successors in self._known.values():
                successors.clear()
        matches = tuple(atom.match(character) is not None for atom in (_WORD, *self._atoms.values()))
        if matches not in node.transitions:
            node.transitions[matches] = self._computed_node(node, character)
        return node.transitions[matches]

    def _computed_node(self, node: _Node, character: str) -> _Node:
        self._computed += 1
        if self._computed > TRANSITIONS:
            raise PatternError("it is too complex for these lines")
        states = self._closure(node.states, _Context(node.before, character))
        if self._last in states:
            return self._match
        ends = {
            end for state in states for expression, end in self._steps[state] if expression.match(character)
        }
        return self._node(frozenset({self._first, *ends}), character)

    def _closure(self, states: Iterable[int], context: _Context) -> set[int]:
        """Return the states, and all states that can be reached from them without reading a character."""
        reachable = set(states)
        waiting = [*reachable]
        while waiting:
            for anchor, end in self._jumps[waiting.pop()]:
                if end not in reachable and (not anchor or context.allows(anchor)):
                    reachable.add(end)
                    waiting.append(end)
        return reachable


class _Node(dict[str, "_Node"]):
    """The states of the automaton at one position of a text; a mapping from next character to next node."""

    __slots__ = ("before", "pattern", "states", "transitions")

    def __init__(self, pattern: LinearPattern, states: frozenset[int], before: str) -> None:
        super().__init__()
        self.pattern, self.states, self.before = pattern, states, before
        #: for each expression for one character, whether it matches the next character → next node
        self.transitions: dict[tuple[bool, ...], _Node] = {}

    def __missing__(self, character: str) -> _Node:
        """Compute and store the node after a character that occurs for the first time."""
        node = self[character] = self.pattern.after(self, character)
        return node


def _one(item: Any, flags: int) -> re.Pattern[str]:
    """Return the compiled expression of an item that matches one character."""
    state = _parser.State()
    state.flags = flags
    compiled: re.Pattern[str] = _compiler.compile(_parser.SubPattern(state, [item]), flags)
    return compiled
