"""Convert JSON data to YAML text in which each value that is a string is quoted, or is a literal block.

Some YAML parsers do not read an unquoted text such as `y`, `1e3` or `0o17` as a string. Double-quoted strings
in YAML have the escapes of JSON strings. Source: YAML 1.2.2, "Double-Quoted Style" and "Literal Style".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

Value: TypeAlias = "str | int | float | bool | Sequence[Value] | Mapping[str, Value] | None"

_END = "\n"
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
#: plain words that a parser of YAML 1.1 reads as a boolean or as null
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
#: characters that YAML does not allow in a text, or that end a line for some parsers
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_BLOCK_LINE = re.compile("[^\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]*")


def dump(value: Mapping[str, Value]) -> str:
    """Return the data as a YAML document, with the keys in the order of `value`."""
    return "".join(f"{line}\n" for line in _mapping(value, ""))


def inline(value: Value) -> str:
    """Return the data as one line of JSON that YAML parsers read, too.

    Characters such as emojis are not escaped: JSON would need two escapes, which some YAML parsers refuse.
    """
    return _escaped(json.dumps(value, ensure_ascii=False))


def _mapping(value: Mapping[str, Value], indent: str) -> Iterator[str]:
    for key, value_of_key in value.items():
        yield from _entry(f"{indent}{_key(key)}:", value_of_key, f"{indent}  ")


def _entry(start: str, value: Value, indent: str) -> Iterator[str]:
    """Yield the lines of one entry of a YAML mapping or list; the first line begins with `start`."""
    if isinstance(value, Mapping) and value:
        yield start
        yield from _mapping(value, indent)
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        yield start
        for item in value:
            yield from _item(item, indent)
    elif isinstance(value, str) and _is_block(value):
        yield f"{start} {'|' if value.endswith(_END) else '|-'}"
        yield from (f"{indent}{line}" if line else "" for line in value.removesuffix(_END).split(_END))
    else:
        yield f"{start} {_scalar(value)}"


def _item(value: Value, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        first_line, *other_lines = _mapping(value, f"{indent}  ")
        yield f"{indent}- {first_line.lstrip(' ')}"
        yield from other_lines
    else:
        yield from _entry(f"{indent}-", value, f"{indent}  ")


def _is_block(value: str) -> bool:
    """Return whether a text has several lines and can be a literal block of YAML (after `|`)."""
    lines = value.removesuffix(_END).split(_END)
    return (
        len(lines) > 1
        and bool(lines[0])
        and bool(lines[-1])
        and not lines[0].startswith(" ")
        and all(_BLOCK_LINE.fullmatch(line) for line in lines)
    )


def _key(key: str) -> str:
    plain = _PLAIN_KEY.fullmatch(key) and key.lower() not in _WORDS
    return key if plain else _quoted(key)


def _scalar(value: Value) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return json.dumps(value)
        case str():
            return _quoted(value)
        case Mapping():
            return "{}"
        case _:
            return "[]"


def _quoted(text: str) -> str:
    return _escaped(json.dumps(text, ensure_ascii=False))


def _escaped(text: str) -> str:
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
