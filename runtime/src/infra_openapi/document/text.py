"""Bytes to text to data: JSON the fast way, YAML by its events; both bounded, errors with their line."""

from __future__ import annotations

import codecs
import re
from typing import Any

from infra_openapi.document import json_text, yaml_text
from infra_openapi.document.yaml_text import Marks
from infra_openapi.errors import CompareError

#: The largest file that is read at all: GitHub's API with every reference written out has 73 MB.
MAX_BYTES = 96 * 1024 * 1024

_JSON_START = re.compile(r"\s*[{\[]")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def encoded(raw: bytes, file: str) -> bytes:
    """What a file holds as UTF-8 without a byte order mark; UTF-16 is known by its first bytes.

    Raises:
        CompareError: it begins like UTF-16, and is not.
    """
    if not raw.startswith(_UTF_16):
        return raw.removeprefix(codecs.BOM_UTF8)
    try:
        return raw.decode("utf-16").encode()
    except UnicodeDecodeError as error:
        raise _no_text(raw, "UTF-16", error, file) from error


def decoded(raw: bytes, file: str) -> str:
    """The text of a file.

    Raises:
        CompareError: it is too large, empty, or no text.
    """
    if len(raw) > MAX_BYTES:
        raise CompareError(file, f"has {len(raw):,} bytes; the limit is {MAX_BYTES:,}")
    try:
        text = encoded(raw, file).decode()
    except UnicodeDecodeError as error:
        raise _no_text(raw, "UTF-8", error, file) from error
    if "\x00" in text:
        raise CompareError(file, "is a binary file, not a text", text.count("\n", 0, text.index("\x00")) + 1)
    if not text or text.isspace():
        raise CompareError(file, "is empty")
    return text


def _no_text(raw: bytes, encoding: str, error: UnicodeDecodeError, file: str) -> CompareError:
    line = raw.count(b"\n", 0, error.start) + 1
    return CompareError(file, f"is not text in {encoding} (byte {error.start})", line)


def data(text: str, file: str) -> tuple[Any, Marks | None]:
    """The JSON or YAML text as plain data, and YAML's marks; JSON has none, its places are found later.

    Raises:
        CompareError: it is neither, has a key twice, or exceeds a limit.
    """
    problem: CompareError | None = None
    if _JSON_START.match(text):
        try:
            return json_text.data(text, file), None
        except CompareError as error:
            problem = error
            if file.endswith(".json") or len(text) > yaml_text.MAX_CHARACTERS:
                raise
    # A brace in front may begin YAML in flow style; if it does not, the JSON reader's reason is better.
    try:
        return yaml_text.data(text, file)
    except CompareError:
        if problem is not None:
            raise problem from None
        raise
