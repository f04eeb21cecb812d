"""Text to data: JSON by the fast way, YAML by its events; both bounded, and every refusal has a place.

YAML is built from the parser's events and not by PyYAML's constructor: keys stay text (`200:` is the
status "200"), dates stay text, a key that comes twice is refused, and what aliases blow up is counted.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn, TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from infra_runtime.openapi.errors import CompareError

#: The largest file that is read at all: GitHub's API with every reference written out has 73 MB.
MAX_BYTES = 96 * 1024 * 1024
#: YAML is some thirty times slower to read than JSON, and nobody writes that much of it by hand.
MAX_YAML_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 200
#: How many nodes aliases may add to what the file spells out.
MAX_ALIASED_NODES = 1_000_000
MAX_DIGITS = 1000
_SHOWN_DIGITS = 40

#: Where each member of a container starts (line, column), by the container's identity and the key or index.
Marks: TypeAlias = dict[tuple[int, str | int], tuple[int, int]]

_Parser = getattr(yaml, "CParser", None)
_JSON_START = re.compile(r"\s*[{\[]")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_OCTAL = re.compile(r"0o[0-7]+\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
# The core schema of YAML 1.2, which OpenAPI asks for: `yes`, `on` and 1_000 are text.
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_STANDARD_TAG = "tag:yaml.org,2002:"


class DuplicateKeyError(ValueError):
    """A JSON object says the same key twice; the decoder cannot tell where."""


class LiteralError(ValueError):
    """A number or a word that is no value; the decoder cannot tell where."""

    def __init__(self, literal: str, reason: str) -> None:
        super().__init__(literal, reason)
        self.literal, self.reason = literal, reason


def decoded(raw: bytes, file: str) -> str:
    """The text of a file: UTF-8, or UTF-16 where its first bytes say so.

    Raises:
        CompareError: it is too large, empty, or no text.
    """
    if len(raw) > MAX_BYTES:
        raise CompareError(file, f"has {len(raw):,} bytes; the limit is {MAX_BYTES:,}")
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise CompareError(file, f"is not text in UTF-8 (byte {error.start})", line) from error
    if "\x00" in text:
        raise CompareError(file, "is a binary file, not a text", text.count("\n", 0, text.index("\x00")) + 1)
    if not text.strip():
        raise CompareError(file, "is empty")
    return text


def data(text: str, file: str) -> tuple[Any, Marks | None]:
    """The JSON or YAML text as plain data, and YAML's marks; JSON has none, its places are found later.

    Raises:
        CompareError: it is neither, says a key twice, or goes past a limit.
    """
    problem: CompareError | None = None
    if _JSON_START.match(text):
        try:
            return _json(text, file), None
        except CompareError as error:
            problem = error
            if file.endswith(".json") or len(text) > MAX_YAML_BYTES:
                raise
    # A brace in front may begin YAML in flow style; if it does not, the JSON reader's reason is better.
    builder = _Builder(file)
    try:
        return builder.build(events(text, file)), builder.marks
    except CompareError:
        if problem is not None:
            raise problem from None
        raise


def events(text: str, file: str) -> Iterator[Event]:
    """The YAML parser's events, each with its mark; what the parser refuses becomes a `CompareError`.

    Raises:
        CompareError: the text is not YAML.
    """
    if len(text) > MAX_YAML_BYTES:
        raise CompareError(file, f"has {len(text):,} characters of YAML; the limit is {MAX_YAML_BYTES:,}")
    try:
        if _Parser is not None:
            parser = _Parser(text)
            while parser.check_event():
                yield parser.get_event()
        else:
            yield from yaml.parse(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        reason = error.problem or error.context or "syntax error"
        raise CompareError(file, f"is not YAML: {reason}", line, column, _yaml_hint(text, line)) from error
    except yaml.YAMLError as error:
        raise CompareError(file, "is not YAML: " + str(error).partition("\n")[0]) from error


def _yaml_hint(text: str, line: int) -> str:
    lines = text.splitlines()
    around = lines[max(0, line - 2) : line] if line else []
    return "YAML is indented with spaces; there is a tab here." if any("\t" in one for one in around) else ""


def _json(text: str, file: str) -> Any:
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_int=_integer, parse_float=_real, parse_constant=_constant
        )
    except json.JSONDecodeError as error:
        raise CompareError(file, f"is not JSON: {error.msg}", error.lineno, error.colno) from error
    except RecursionError as error:
        raise CompareError(file, f"is nested more than {MAX_DEPTH} levels deep") from error
    except DuplicateKeyError as error:
        line, column = _twice(text, str(error))
        raise CompareError(file, f"says the key {str(error)!r} twice in one object", line, column) from error
    except LiteralError as error:
        line, column = _outside_strings(text, error.literal)
        raise CompareError(file, error.reason, line, column) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise DuplicateKeyError(key)
            seen.add(key)
    return made


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise LiteralError(digits, f"has a number of {len(digits)} digits; the limit is {MAX_DIGITS}")
    return int(digits)


def _real(literal: str) -> float:
    value = float(literal)
    if math.isinf(value):
        raise LiteralError(literal, f"has the number {literal[:_SHOWN_DIGITS]}, which is too large")
    return value


def _constant(word: str) -> Any:
    raise LiteralError(word, f"is not JSON: {word} is no JSON value")


def _outside_strings(text: str, literal: str) -> tuple[int, int]:
    """Where a JSON text first has a literal that is no part of a string."""
    for token in re.finditer(rf'"(?:[^"\\]|\\.)*"|{re.escape(literal)}', text):
        if not token.group().startswith('"'):
            start = token.start()
            return text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
    return 0, 0


def _twice(text: str, key: str) -> tuple[int, int]:
    """Where a JSON text says a key for the second time in one object; asked once that is known."""
    strings = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:]')
    open_objects: list[set[str]] = []
    last: re.Match[str] | None = None
    for token in strings.finditer(text):
        mark = token.group()
        if mark in {"{", "["}:
            open_objects.append(set())
        elif mark in {"}", "]"}:
            open_objects.pop()
        elif mark == ":" and last is not None:
            name = json.loads(last.group())
            if name == key and name in open_objects[-1]:
                start = last.start()
                return text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
            open_objects[-1].add(name)
        last = token
    return 0, 0


def scalar(event: ScalarEvent) -> Any:
    """What a YAML scalar means; a quoted one, a date and an unknown word are text."""
    value: str = event.value
    tag = event.tag
    if tag is not None and tag != "!":
        kind = tag.removeprefix(_STANDARD_TAG)
        if kind in {"str", "binary", "timestamp"} or kind == tag:
            return value
    elif not event.implicit[0] or tag == "!":
        return value
    if value in _WORDS:
        return _WORDS[value]
    if not value[0].isdigit() and value[0] not in "+-.":
        return value
    if _INT.match(value):
        return _integer(value)
    if _FLOAT.match(value):
        number = float(value)
        return number if number - number == 0 else value
    if _OCTAL.match(value) or _HEX.match(value):
        return int(value, 0)
    return value


class _Builder:
    """Makes data of events. A stack of open containers, no recursion: depth is a number to look at."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.marks: Marks = {}
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.aliased = 0

    def build(self, stream: Iterator[Event]) -> Any:
        # Each open container: value, pending key (or _NO_KEY), anchor, number of nodes, merges.
        stack: list[list[Any]] = []
        documents = 0
        result: Any = None
        for event in stream:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._refuse(event, "has more than one YAML document")
            elif isinstance(event, MappingStartEvent | SequenceStartEvent):
                self._open(stack, event)
            elif isinstance(event, ScalarEvent | AliasEvent | MappingEndEvent | SequenceEndEvent):
                value, size, anchor = self._value(stack, event)
                if anchor:
                    self.anchors[anchor] = (value, size)
                if stack:
                    self._put(stack[-1], value, size, event)
                else:
                    result = value
        return result

    def _open(self, stack: list[list[Any]], event: MappingStartEvent | SequenceStartEvent) -> None:
        if len(stack) >= MAX_DEPTH:
            self._refuse(event, f"is nested more than {MAX_DEPTH} levels deep")
        if stack and isinstance(stack[-1][0], list):
            self._mark(stack[-1][0], len(stack[-1][0]), event)
        stack.append([{} if isinstance(event, MappingStartEvent) else [], _NO_KEY, event.anchor, 1, []])
        if event.anchor:
            self.anchors[event.anchor] = (_OPEN, 0)

    def _value(self, stack: list[list[Any]], event: Event) -> tuple[Any, int, str | None]:
        """What an event completes: a scalar, what an alias names, or the innermost open container."""
        if isinstance(event, ScalarEvent):
            return self._scalar(event), 1, event.anchor
        if isinstance(event, AliasEvent):
            return *self._alias(event), None
        value, _, anchor, size, merges = stack.pop()
        for merged in merges:
            for name, inner in merged.items() if isinstance(merged, dict) else ():
                value.setdefault(name, inner)
        return value, size, anchor

    def _scalar(self, event: ScalarEvent) -> Any:
        try:
            return scalar(event)
        except LiteralError as error:
            self._refuse(event, error.reason)

    def _alias(self, event: AliasEvent) -> tuple[Any, int]:
        if event.anchor not in self.anchors:
            self._refuse(event, f"names the alias *{event.anchor}, which nothing defines")
        value, size = self.anchors[event.anchor]
        if value is _OPEN:
            self._refuse(event, f"has the alias *{event.anchor} inside itself")
        self.aliased += size
        if self.aliased > MAX_ALIASED_NODES:
            self._refuse(event, f"grows past {MAX_ALIASED_NODES:,} nodes by its aliases")
        return value, size

    def _put(self, top: list[Any], value: Any, size: int, event: Event) -> None:
        container = top[0]
        top[3] += size
        if isinstance(container, list):
            # A container in a list was marked where it started; this is its end.
            if not isinstance(event, MappingEndEvent | SequenceEndEvent):
                self._mark(container, len(container), event)
            container.append(value)
        elif top[1] is _NO_KEY:
            key = self._key(value, event)
            self._mark(container, key, event)
            # In quotes it is a name like any other.
            merges = key == "<<" and isinstance(event, ScalarEvent) and event.implicit[0]
            top[1] = _MERGE if merges else key
        else:
            key, top[1] = top[1], _NO_KEY
            if key is _MERGE and isinstance(value, dict | list):
                top[4] += value if isinstance(value, list) else [value]
                return
            key = "<<" if key is _MERGE else key
            if key in container:
                # The event may be the value's end; the key was marked where it stands.
                line, column = self.marks[id(container), key]
                raise CompareError(self.file, f"says the key {key!r} twice in one mapping", line, column)
            container[key] = value

    def _mark(self, container: Any, key: str | int, event: Event) -> None:
        self.marks[id(container), key] = _at(event)

    def _key(self, value: Any, event: Event) -> str:
        if isinstance(value, str):
            return value
        if isinstance(event, ScalarEvent):
            return str(event.value)
        if isinstance(value, dict | list):
            self._refuse(event, "has a mapping or a sequence as a key")
        return json.dumps(value)

    def _refuse(self, event: Event, reason: str) -> NoReturn:
        raise CompareError(self.file, reason, *_at(event))


def _at(event: Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


_NO_KEY = object()
_MERGE = object()
_OPEN = object()
