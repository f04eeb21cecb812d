"""Decode bytes to text, and JSON or YAML text to data.

Sizes are limited. An error contains a line number, unless it is about the whole file.
"""

from __future__ import annotations

import codecs
import re
from typing import Any

from infra_openapi.document import json_text, yaml_text
from infra_openapi.document.yaml_text import Marks
from infra_openapi.errors import CompareError

#: The maximum size of a file. The document of GitHub's API with every reference expanded has 73 MB.
MAX_BYTES = 96 * 1024 * 1024

_JSON_START = re.compile(r"\s*[{\[]")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def encoded(raw: bytes, file: str) -> bytes:
    """Return the content of a file as UTF-8 without a byte order mark.

    A file in UTF-16 is recognised by its byte order mark and converted.

    Raises:
        CompareError: the file has the byte order mark of UTF-16, but is not UTF-16.
    """
    if not raw.startswith(_UTF_16):
        return raw.removeprefix(codecs.BOM_UTF8)
    try:
        return raw.decode("utf-16").encode()
    except UnicodeDecodeError as error:
        raise _encoding_error(raw, "UTF-16", error, file) from error


def decoded(raw: bytes, file: str) -> str:
    """Return the text of an OpenAPI file from its bytes.

    Raises:
        CompareError: the file is too large, empty, or not text.
    """
    if len(raw) > MAX_BYTES:
        raise CompareError(file, f"the document has {len(raw):,} bytes; the limit is {MAX_BYTES:,}")
    try:
        text = encoded(raw, file).decode()
    except UnicodeDecodeError as error:
        raise _encoding_error(raw, "UTF-8", error, file) from error
    if "\x00" in text:
        raise CompareError(
            file,
            "the document is a binary file, not a text file",
            text.count("\n", 0, text.index("\x00")) + 1,
        )
    if not text or text.isspace():
        raise CompareError(file, "the file is empty")
    return text


def _encoding_error(raw: bytes, encoding: str, error: UnicodeDecodeError, file: str) -> CompareError:
    line = raw.count(b"\n", 0, error.start) + 1
    return CompareError(file, f"the document is not {encoding} text: byte {error.start} is invalid", line)


def data(text: str, file: str) -> tuple[Any, Marks | None]:
    """Return the data of a JSON or YAML text, and the location of each value in a YAML text.

    The second value is None for a JSON text.

    Raises:
        CompareError: the text is neither JSON nor YAML, contains a key twice or a number that is too large,
            has too many values, or is nested too deeply.
    """
    json_error: CompareError | None = None
    if _JSON_START.match(text):
        try:
            return json_text.data(text, file), None
        except CompareError as error:
            json_error = error
            if file.endswith(".json") or len(text) > yaml_text.MAX_CHARACTERS:
                raise
    # A text that starts with a brace can be YAML in flow style. If it is not, the error of the JSON decoder
    # is more precise.
    try:
        return yaml_text.data(text, file)
    except CompareError:
        if json_error is not None:
            raise json_error from None
        raise
