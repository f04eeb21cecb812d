"""Decode YAML from the events of the parser, without PyYAML's constructor.

Keys and dates are strings (`200:` is the status "200"), duplicate keys are errors, the location of every
value is recorded, and the size that aliases add is limited.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
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

from infra_openapi.document.number import MAX_VALUES, LiteralError, integer, real
from infra_openapi.errors import CompareError

#: The maximum number of characters of a YAML text. The limit is lower than for JSON, because reading YAML
#: takes about five times as long.
MAX_CHARACTERS = 32 * 1024 * 1024
MAX_DEPTH = 200
#: The maximum number of characters that aliases may add to a file if they are replaced by their values.
MAX_ALIASED = 16_000_000
#: The assumed number of characters around each value in the text, such as indentation, a dash and a colon.
_EXTRA_CHARACTERS = 16

#: The start (line, column) of each member of a container, by the id of the container and the key or index.
Marks: TypeAlias = dict[tuple[int, str | int], tuple[int, int]]

# The parser of libyaml if PyYAML was built with libyaml, because this parser is eight times faster.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_OCTAL = re.compile(r"0o[0-7]+\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
# OpenAPI recommends YAML 1.2. In its core schema, `yes`, `on` and 1_000 are strings.
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_STANDARD_TAG = "tag:yaml.org,2002:"
# Matches a bracket, a quoted string or a comment. Brackets inside a quoted string or a comment are not
# counted.
_BRACKETS = re.compile(r"""[\[{\]}]|"(?:[^"\\]|\\.)*"?|'[^']*'?|\#[^\n]*""", re.DOTALL)
# The line ends of YAML 1.1 that editors do not treat as line ends.
_FOREIGN_ENDS = re.compile("[\x85\u2028\u2029]")


def data(text: str, file: str) -> tuple[Any, Marks]:
    """Return the data of a YAML text, and the location of each value.

    Raises:
        CompareError: the text is not YAML, contains a key twice, a number that is too large or more than one
            document, has too many values, or is too large or nested too deeply.
    """
    builder = _Builder(text, file)
    return builder.build(_events(text, file, builder.stack)), builder.marks


def _events(text: str, file: str, stack: Sequence[object]) -> Iterator[Event]:
    """Yield the events of the YAML parser; raise `CompareError` if the text is not YAML or is too large.

    `stack` contains the mappings and sequences whose end has not been read yet.
    """
    if len(text) > MAX_CHARACTERS:
        raise CompareError(
            file, f"the document has {len(text):,} characters of YAML; the limit is {MAX_CHARACTERS:,}"
        )
    last_event: Event | None = None
    try:
        parser = _Loader(text)
        while parser.check_event():
            last_event = event = parser.get_event()
            yield event
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        start = last_event.end_mark.index if last_event and last_event.end_mark else 0
        index = _too_deep_at(text, len(stack), start, mark.index + 1 if mark else start)
        if index >= 0:
            line, column = text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)
            raise CompareError(file, _TOO_DEEP_MESSAGE, line, column) from error
        if mark and error.context_mark and mark.index >= len(text.rstrip()):
            # For a value without an end, the error is reported at the start of the value.
            mark = error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        reason = error.problem or error.context or "syntax error"
        raise CompareError(
            file, f"the document is not YAML: {reason}", line, column, _hint(text, line)
        ) from error
    except yaml.reader.ReaderError as error:
        # Depending on the parser, the position of the error is a number of bytes or of characters, so the
        # character is searched in the text.
        index = text.find(chr(error.character)) if isinstance(error.character, int) else -1
        line, column = (
            (text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)) if index >= 0 else (0, 0)
        )
        raise CompareError(
            file,
            f"the document is not YAML: it has the control character {error.character:#04x}",
            line,
            column,
        ) from error
    except yaml.YAMLError as error:
        raise CompareError(file, "the document is not YAML: " + str(error).partition("\n")[0]) from error


def _too_deep_at(text: str, depth: int, start: int, end: int) -> int:
    """Return the index of the first bracket in `text[start:end]` that is nested too deeply, or -1.

    libyaml 0.2.6 and later versions have a limit for nesting, too. libyaml reads up to 1,024 characters
    before it emits an event, so libyaml can report an error before this module has counted `MAX_DEPTH`
    levels.
    """
    for match in _BRACKETS.finditer(text, start, end):
        depth += (match[0] in "[{") - (match[0] in "]}")
        if depth > MAX_DEPTH:
            return match.start()
    return -1


def _hint(text: str, line: int) -> str:
    lines = text.splitlines()
    nearby_lines = lines[max(0, line - 2) : line] if line else []
    if any(nearby_line.startswith(("<<<<<<<", "=======", ">>>>>>>")) for nearby_line in nearby_lines):
        return "The file contains the markers of a merge conflict: resolve the conflict."
    return (
        "Indent YAML with spaces, not with tabs."
        if any("\t" in nearby_line for nearby_line in nearby_lines)
        else ""
    )


def scalar(event: ScalarEvent) -> Any:
    """Return the value of a YAML scalar; a quoted scalar, a date and an unknown word are strings.

    Raises:
        LiteralError: the scalar is a number that is too large.
    """
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
        return integer(value)
    if _FLOAT.match(value):
        return real(value)
    if _OCTAL.match(value) or _HEX.match(value):
        return integer(value, 0)
    return value


class _Container:
    """A YAML mapping or sequence whose end has not been read yet."""

    __slots__ = ("anchor", "depth", "key", "merges", "size", "value")

    def __init__(self, value: Any, anchor: str | None) -> None:
        self.value, self.anchor = value, anchor
        self.key: Any = _NO_KEY
        #: the estimated number of characters, if all aliases are replaced by their values
        self.size = _EXTRA_CHARACTERS
        #: the depth of the content, if all aliases are replaced by their values
        self.depth = 0
        self.merges: list[Any] = []


class _Builder:
    """Builds data from the events of the YAML parser.

    The builder uses a stack of open containers and no recursion, so only `MAX_DEPTH` limits the depth of the
    data.
    """

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.marks: Marks = {}
        self.anchors: dict[str, tuple[Any, int, int]] = {}
        #: the containers that are not complete yet, the outermost first
        self.stack: list[_Container] = []
        self.aliased = self.values = 0
        self.lines: list[int] | None = None
        if _FOREIGN_ENDS.search(text):
            self.lines = [match.start() for match in re.finditer("\n", text)]

    def build(self, stream: Iterator[Event]) -> Any:
        stack = self.stack
        documents = 0
        result: Any = None
        for event in stream:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._raise_at(event, "the file has more than one YAML document")
            elif isinstance(event, MappingStartEvent | SequenceStartEvent):
                self._open(stack, event)
            elif isinstance(event, ScalarEvent | AliasEvent | MappingEndEvent | SequenceEndEvent):
                value, size, depth, anchor = self._value(stack, event)
                self.values += 1
                if self.values > MAX_VALUES:
                    self._raise_at(event, f"the document has more than {MAX_VALUES:,} values")
                if anchor:
                    self.anchors[anchor] = (value, size, depth)
                if stack:
                    top = stack[-1]
                    top.size += size
                    top.depth = max(top.depth, depth)
                    self._add(top, value, event)
                else:
                    result = value
        return result

    def _open(self, stack: list[_Container], event: MappingStartEvent | SequenceStartEvent) -> None:
        if len(stack) >= MAX_DEPTH:
            self._raise_at(event, _TOO_DEEP_MESSAGE)
        if stack and isinstance(stack[-1].value, list):
            self._mark(stack[-1].value, len(stack[-1].value), event)
        stack.append(_Container({} if isinstance(event, MappingStartEvent) else [], event.anchor))
        if event.anchor:
            self.anchors[event.anchor] = (_UNFINISHED, 0, 0)

    def _value(self, stack: list[_Container], event: Event) -> tuple[Any, int, int, str | None]:
        """Return the value that a YAML event completes.

        The value is a scalar, the value of an alias, or the innermost open container. The result also
        contains the size of the value in characters, its depth, and its anchor.
        """
        if isinstance(event, ScalarEvent):
            return self._scalar(event), _EXTRA_CHARACTERS + len(event.value), 0, event.anchor
        if isinstance(event, AliasEvent):
            return *self._alias(event, len(stack)), None
        container = stack.pop()
        for merged in container.merges:
            for name, inner in merged.items() if isinstance(merged, dict) else ():
                container.value.setdefault(name, inner)
        return container.value, container.size, container.depth + 1, container.anchor

    def _scalar(self, event: ScalarEvent) -> Any:
        try:
            return scalar(event)
        except LiteralError as error:
            self._raise_at(event, error.reason)

    def _alias(self, event: AliasEvent, outer_depth: int) -> tuple[Any, int, int]:
        if event.anchor not in self.anchors:
            self._raise_at(
                event, f"the document contains the alias *{event.anchor}, but no anchor with this name"
            )
        value, size, depth = self.anchors[event.anchor]
        if value is _UNFINISHED:
            self._raise_at(
                event, f"the document contains the alias *{event.anchor} inside the value that it refers to"
            )
        self.aliased += size
        if self.aliased > MAX_ALIASED:
            self._raise_at(
                event,
                f"the aliases of the document are replaced by more than {MAX_ALIASED:,} characters",
            )
        if outer_depth + depth > MAX_DEPTH:
            self._raise_at(event, _TOO_DEEP_MESSAGE)
        return value, size, depth

    def _add(self, top: _Container, value: Any, event: Event) -> None:
        container = top.value
        if isinstance(container, list):
            # The location of a container in a list was recorded at its start; this event is its end.
            if not isinstance(event, MappingEndEvent | SequenceEndEvent):
                self._mark(container, len(container), event)
            container.append(value)
        elif top.key is _NO_KEY:
            key = self._key(value, event)
            self._mark(container, key, event)
            # The key `<<` merges mappings, but `"<<"` in quotes is an ordinary key.
            merges = key == "<<" and isinstance(event, ScalarEvent) and event.implicit[0]
            top.key = _MERGE if merges else key
        else:
            key, top.key = top.key, _NO_KEY
            if key is _MERGE and isinstance(value, dict | list):
                top.merges += value if isinstance(value, list) else [value]
                return
            key = "<<" if key is _MERGE else key
            if key in container:
                # The event can be the end of the value, so the recorded location of the key is used.
                line, column = self.marks[id(container), key]
                raise CompareError(
                    self.file, f"the document has the key {key!r} twice in one mapping", line, column
                )
            container[key] = value

    def _mark(self, container: Any, key: str | int, event: Event) -> None:
        self.marks[id(container), key] = self._location(event)

    def _key(self, value: Any, event: Event) -> str:
        if isinstance(value, str):
            return value
        if isinstance(event, ScalarEvent):
            return str(event.value)
        if isinstance(value, dict | list):
            self._raise_at(event, "the document has a mapping or a sequence as a key")
        return json.dumps(value)

    def _raise_at(self, event: Event, reason: str) -> NoReturn:
        raise CompareError(self.file, reason, *self._location(event))

    def _location(self, event: Event) -> tuple[int, int]:
        mark = event.start_mark
        if mark is None:
            return 0, 0
        if self.lines is None:
            return mark.line + 1, mark.column + 1
        line = bisect_left(self.lines, mark.index)
        return line + 1, mark.index - (self.lines[line - 1] if line else -1)


_TOO_DEEP_MESSAGE = f"the document is nested more than {MAX_DEPTH} levels deep"
_NO_KEY = object()
_MERGE = object()
_UNFINISHED = object()
