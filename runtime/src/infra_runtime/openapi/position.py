"""Where a JSON pointer is in a text: line and column, found only when somebody asks."""

from __future__ import annotations

import json
import re
from typing import Any

from infra_runtime.openapi.yaml_text import Marks

_BLOCK = 1 << 14
_SPACE = re.compile(r"[ \t\r\n]*")
_scan = json.JSONDecoder().raw_decode


def tokens(pointer: str) -> list[str]:
    """The keys of a JSON pointer, unescaped."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def escaped(key: str) -> str:
    """A key as it stands in a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


class Positions:
    """The places of one text. JSON is descended by the decoder's own speed; YAML's marks were kept."""

    def __init__(self, text: str, data: Any, marks: Marks | None) -> None:
        self._text, self._data, self._marks = text, data, marks
        self._members: dict[int, dict[str, tuple[int, int]]] = {}
        self._lines_before: list[int] = []

    def find(self, pointer: str) -> tuple[int, int]:
        """Line and column (from 1) of the key that the pointer ends with, or of its nearest parent."""
        if self._marks is not None:
            return self._in_yaml(pointer, self._marks)
        return self._in_json(pointer)

    def _in_yaml(self, pointer: str, marks: Marks) -> tuple[int, int]:
        place = (1, 1)
        value: Any = self._data
        for token in tokens(pointer):
            key: str | int = int(token) if isinstance(value, list) and token.isdecimal() else token
            place = marks.get((id(value), key), place)
            try:
                value = value[key]  # pyright: ignore[reportCallIssue, reportArgumentType]  # caught below
            except (KeyError, IndexError, TypeError):
                break
        return place

    def _in_json(self, pointer: str) -> tuple[int, int]:
        key_at = start = self._skip(0)
        for token in tokens(pointer):
            found = self._children(start).get(token)
            if found is None:
                break
            key_at, start = found
        return self._line_column(key_at)

    def _skip(self, at: int) -> int:
        match = _SPACE.match(self._text, at)
        return match.end() if match else at

    def _children(self, start: int) -> dict[str, tuple[int, int]]:
        """The members of the container at `start`: where the key and where the value begins."""
        if start in self._members:
            return self._members[start]
        found: dict[str, tuple[int, int]] = {}
        opening = self._text[start : start + 1]
        at = self._skip(start + 1)
        index = 0
        while opening in {"{", "["} and self._text[at] not in "]}":
            key_at = at
            if opening == "{":
                key, at = _scan(self._text, at)
                at = self._skip(self._skip(at) + 1)
            else:
                key, index = str(index), index + 1
            found[key] = (key_at, at)
            _, at = _scan(self._text, at)
            at = self._skip(at)
            if self._text[at] == ",":
                at = self._skip(at + 1)
        self._members[start] = found
        return found

    def _line_column(self, offset: int) -> tuple[int, int]:
        if not self._lines_before:
            # How many lines begin before each block; a list of all lines would be too long.
            count = 0
            for start in range(0, len(self._text) + 1, _BLOCK):
                self._lines_before.append(count)
                count += self._text.count("\n", start, start + _BLOCK)
        block = offset // _BLOCK
        line = self._lines_before[block] + self._text.count("\n", block * _BLOCK, offset) + 1
        return line, offset - self._text.rfind("\n", 0, offset)
