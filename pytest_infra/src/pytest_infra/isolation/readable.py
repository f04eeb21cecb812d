"""Write the content of units as readable text: long values are cut, and undecodable bytes are escaped."""

from __future__ import annotations

import json
from pathlib import Path

from infra_runtime.errors import InfraError
from pytest_infra.private_files import write

#: The maximum number of characters of one value.
CHARACTERS = 2000


class DumpError(InfraError):
    """The error that the content of an isolation unit could not be written completely to a failure report."""


def write_json(path: Path, value: object) -> None:
    """Write a value to a file as indented JSON; long strings are cut, and bytes are only counted."""
    write(path, json.dumps(_bounded(value), indent=2, ensure_ascii=False) + "\n")


def readable(text: str) -> str:
    """Return the first `CHARACTERS` characters of a text, with undecodable bytes escaped.

    If the text is longer, its length follows.
    """
    escaped = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return escaped if len(escaped) <= CHARACTERS else f"{escaped[:CHARACTERS]}… ({len(escaped)} characters)"


def _bounded(value: object) -> object:
    match value:
        case dict():
            return {str(key): _bounded(item) for key, item in value.items()}
        case list():
            return [_bounded(item) for item in value]
        case bytes():
            return f"{len(value)} bytes"
        case str():
            return readable(value)
        case _:
            return value
