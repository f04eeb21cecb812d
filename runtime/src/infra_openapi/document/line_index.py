"""Find the line and column of a JSON pointer in a text, when a message needs the location."""

from __future__ import annotations

import json
import re
from typing import Any, AnyStr, Generic

from infra_openapi.document.pointer import tokens
from infra_openapi.document.yaml_text import Marks

_BLOCK = 1 << 14
_SPACE = re.compile(r"[ \t\r\n]*")
_BLANK = re.compile(rb"[ \t\r\n]*")
_FIRST_LINE = re.compile(rb"[{\[]\r?(\n[ \t]+)")
_scan = json.JSONDecoder().raw_decode


class LineIndex:
    """Finds the line and column of JSON pointers in one text.

    In a YAML text, the YAML parser has recorded the locations (`marks`). In a JSON text, the locations are
    searched: by lines if each member has its own line, otherwise with Python's JSON decoder.
    """

    def __init__(self, content: bytes, data: Any, marks: Marks | None) -> None:
        self._content, self._data, self._marks = content, data, marks
        #: The offset of a container → key → the offset of the key and the offset of its value.
        self._by_line: dict[int, dict[str, tuple[int, int]] | None] = {}
        self._lines = _Lines(content, b"\n")
        self._decoded: _Decoded | None = None

    def find(self, pointer: str) -> tuple[int, int]:
        """Return line and column (numbers from 1) of the last key of a JSON pointer in the JSON or YAML text.

        If the pointer does not exist in the text, the result is the location of its nearest existing parent.
        """
        if self._marks is not None:
            return self._in_yaml(pointer, self._marks)
        offset = self._in_lines(pointer)
        if offset is not None:
            # The line contains only spaces before a member, so the column in bytes is equal to the column in
            # characters.
            return self._lines.location(offset)
        if self._decoded is None:
            self._decoded = _Decoded(self._content.decode())
        return self._decoded.find(pointer)

    def _in_yaml(self, pointer: str, marks: Marks) -> tuple[int, int]:
        location = (1, 1)
        value: Any = self._data
        for token in tokens(pointer):
            key: str | int = int(token) if isinstance(value, list) and token.isdecimal() else token
            location = marks.get((id(value), key), location)
            try:
                value = value[key]  # pyright: ignore[reportCallIssue, reportArgumentType]  # caught below
            except (KeyError, IndexError, TypeError):
                break
        return location

    def _in_lines(self, pointer: str) -> int | None:
        """Return the offset of a JSON pointer in a JSON text that has one line for each member.

        The result is None if the text has another layout.
        """
        key_offset = start = _skip(self._content)
        value: Any = self._data
        for token in tokens(pointer):
            if not isinstance(value, dict | list) or not value:
                break
            if start not in self._by_line:
                self._by_line[start] = self._members(start, value)
            members = self._by_line[start]
            if members is None:
                return None
            if token not in members:
                break
            key_offset, start = members[token]
            value = value[int(token)] if isinstance(value, list) else value[token]
        return key_offset

    def _members(self, start: int, value: Any) -> dict[str, tuple[int, int]] | None:
        """Return the offsets of each key and value in a JSON object or array with one line for each member.

        The result is None for another layout, such as a single line or a manual layout.
        """
        first_line = _FIRST_LINE.match(self._content, start)
        if first_line is None:
            return None
        members: dict[str, tuple[int, int]] = {}
        lines = re.compile(re.escape(first_line.group(1)) + rb"[^\s}\]]").finditer(self._content, start)
        for key, member in value.items() if isinstance(value, dict) else enumerate(value):
            line = next(lines, None)
            beginning = _json(key) + b":" if isinstance(key, str) else _opening(member)
            if line is None or not self._content.startswith(beginning, line.end() - 1):
                return None
            offset = line.end() - 1
            members[str(key)] = (
                offset,
                _skip(self._content, offset + len(beginning)) if isinstance(key, str) else offset,
            )
        return members


class _Lines(Generic[AnyStr]):
    """Finds the line and column of an offset in a text; a list of all lines is not built."""

    def __init__(self, text: AnyStr, end: AnyStr) -> None:
        self._text: AnyStr = text
        self._end: AnyStr = end
        #: For each block: the number of line ends before it, and the offset of the line that it starts in.
        self._before: list[tuple[int, int]] = []

    def location(self, offset: int) -> tuple[int, int]:
        """Return the line and column of an offset in the text, as numbers from 1."""
        if not self._before:
            count = line_start = 0
            for start in range(0, len(self._text) + 1, _BLOCK):
                self._before.append((count, line_start))
                count += self._text.count(self._end, start, start + _BLOCK)
                line_start = self._text.rfind(self._end, start, start + _BLOCK) + 1 or line_start
        count, line_start = self._before[offset // _BLOCK]
        start = offset - offset % _BLOCK
        count += self._text.count(self._end, start, offset)
        line_start = self._text.rfind(self._end, start, offset) + 1 or line_start
        return count + 1, offset - line_start + 1


class _Decoded:
    """Finds locations in a JSON text of any layout, with Python's JSON decoder."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = _Lines(text, "\n")
        self._members: dict[int, dict[str, tuple[int, int]]] = {}

    def find(self, pointer: str) -> tuple[int, int]:
        """Return line and column of the last key of a JSON pointer, or of its nearest existing parent."""
        key_offset = start = self._skip(0)
        for token in tokens(pointer):
            if start not in self._members:
                self._members[start] = self._children(start)
            offsets = self._members[start].get(token)
            if offsets is None:
                break
            key_offset, start = offsets
        return self._lines.location(key_offset)

    def _skip(self, offset: int) -> int:
        match = _SPACE.match(self._text, offset)
        return match.end() if match else offset

    def _children(self, start: int) -> dict[str, tuple[int, int]]:
        """Return the offsets of key and value for each member of the object or array at offset `start`."""
        children: dict[str, tuple[int, int]] = {}
        opening = self._text[start : start + 1]
        offset = self._skip(start + 1)
        index = 0
        while opening in {"{", "["} and self._text[offset] not in "]}":
            key_offset = offset
            if opening == "{":
                key, offset = _scan(self._text, offset)
                offset = self._skip(self._skip(offset) + 1)
            else:
                key, index = str(index), index + 1
            children[key] = (key_offset, offset)
            _, offset = _scan(self._text, offset)
            offset = self._skip(offset)
            if self._text[offset] == ",":
                offset = self._skip(offset + 1)
        return children


def _skip(content: bytes, offset: int = 0) -> int:
    match = _BLANK.match(content, offset)
    return match.end() if match else offset


def _json(value: Any) -> bytes:
    # UTF-8 cannot encode half of a surrogate pair, so the text must contain it as an escape sequence.
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")


def _opening(value: Any) -> bytes:
    return b"{" if isinstance(value, dict) else b"[" if isinstance(value, list) else _json(value)
