"""Decode JSON with the fast decoder of Python's standard library.

The decoder reports only some errors with their line. For the other errors, the functions of this module
search the text for the location.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from infra_openapi.document.number import MAX_VALUES, LiteralError, integer, real
from infra_openapi.errors import CompareError

#: The maximum depth in the error message. The decoder itself fails only at a greater depth, when its stack is
#: exhausted.
_DEEP = 200
_STRING = r'"(?:[^"\\]|\\.)*"'


class DuplicateKeyError(ValueError):
    """Raised if a JSON object contains a key twice; the message is the key."""


def data(text: str, file: str) -> Any:
    """Return the data of a JSON text.

    Raises:
        CompareError: the text is not JSON, contains a key twice or a number that is too large, has too many
            values, or is nested too deeply.
    """
    if (
        _max_number_of_values(text) > MAX_VALUES
        and _max_number_of_values(re.sub(_STRING, "", text)) > MAX_VALUES
    ):
        raise CompareError(file, f"the document has more than {MAX_VALUES:,} values")
    try:
        return json.loads(
            text,
            object_pairs_hook=_without_duplicates,
            parse_int=integer,
            parse_float=real,
            parse_constant=_invalid_constant,
        )
    except json.JSONDecodeError as error:
        raise CompareError(
            file, f"the document is not JSON: {error.msg}", error.lineno, error.colno
        ) from error
    except RecursionError as error:
        raise CompareError(
            file, f"the document is nested more than {_DEEP} levels deep", *_too_deep(text)
        ) from error
    except DuplicateKeyError as error:
        line, column = _second_occurrence(text, str(error))
        raise CompareError(
            file, f"the document has the key {str(error)!r} twice in one object", line, column
        ) from error
    except LiteralError as error:
        line, column = _outside_strings(text, error.literal)
        raise CompareError(file, error.reason, line, column) from error


def _max_number_of_values(text: str) -> int:
    """Return an upper bound of the number of values in a JSON text, without the outermost value.

    It is the number of commas and opening brackets, which can also be in strings.
    """
    return text.count(",") + text.count("[") + text.count("{")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise DuplicateKeyError(key)
            seen.add(key)
    return members


def _invalid_constant(word: str) -> Any:
    raise LiteralError(word, f"the document is not JSON: {word} is not a JSON value")


def _tokens(text: str, pattern: str) -> Iterator[re.Match[str]]:
    return re.finditer(f"{_STRING}|{pattern}", text)


def _line_and_column(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _outside_strings(text: str, literal: str) -> tuple[int, int]:
    """Return line and column of the first occurrence of `literal` that is not inside a JSON string."""
    for token in _tokens(text, re.escape(literal)):
        if not token.group().startswith('"'):
            return _line_and_column(text, token.start())
    return 0, 0


def _too_deep(text: str) -> tuple[int, int]:
    """Return line and column of the first bracket in a JSON text that is nested too deeply."""
    depth = 0
    for token in _tokens(text, r"[{}\[\]]"):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token.group(), 0)
        if depth > _DEEP:
            return _line_and_column(text, token.start())
    return 0, 0


def _second_occurrence(text: str, key: str) -> tuple[int, int]:
    """Return line and column of the second `key` in the first object that contains `key` twice."""
    open_objects: list[set[str]] = []
    previous_token: re.Match[str] | None = None
    for token in _tokens(text, r"[{}\[\]:]"):
        mark = token.group()
        if mark in {"{", "["}:
            open_objects.append(set())
        elif mark in {"}", "]"}:
            open_objects.pop()
        elif mark == ":" and previous_token is not None:
            name = json.loads(previous_token.group())
            if name == key and name in open_objects[-1]:
                return _line_and_column(text, previous_token.start())
            open_objects[-1].add(name)
        previous_token = token
    return 0, 0
