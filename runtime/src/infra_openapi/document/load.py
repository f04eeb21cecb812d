"""Load OpenAPI documents from a file, from a string or from Python dictionaries and lists.

Every reference is followed once while the document is loaded; an invalid reference raises `CompareError`,
unless it is in an example.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra_openapi.document import text as source
from infra_openapi.document.element import Document, Reader, why_unreadable
from infra_openapi.document.file import File
from infra_openapi.document.reference import check
from infra_openapi.errors import CompareError


def load(path: str | Path, *, root: str | Path | None = None, read: Reader | None = None) -> Document:
    """Return the OpenAPI document in a file.

    All files that the document refers to must be below `root`. By default, `root` is the working directory if
    it contains the file, otherwise the directory of the file. If `read` is given, the function `read` returns
    the bytes of each file, and no file is read from the disk.

    Raises:
        CompareError: the file is missing, empty or not an OpenAPI document, or a reference is circular or its
            target cannot be read.
    """
    name = str(path)
    try:
        reader = read or disk(Path(path), root)
        raw = reader(name)
    except (OSError, ValueError) as error:
        raise CompareError(name, why_unreadable(error)) from error
    return _checked(Document(File(name, raw), reader))


def parse(
    content: str | bytes | Mapping[str, Any], *, name: str = "openapi", read: Reader | None = None
) -> Document:
    """Return the OpenAPI document in a string (JSON or YAML), or in Python dictionaries and lists.

    References to other files are allowed only if `read` is given: a function that returns the bytes of a
    file.

    Raises:
        CompareError: the document is empty or not an OpenAPI document, `content` cannot be written as JSON,
            or a reference is circular or its target cannot be read.
    """
    if not isinstance(content, str | bytes):
        try:
            content = json.dumps(content)
        except (TypeError, ValueError, RecursionError) as error:
            raise CompareError(name, f"the content cannot be written as JSON: {error}") from error
    raw = content.encode(errors="surrogatepass") if isinstance(content, str) else content
    return _checked(Document(File(name, raw), read or _no_other_files))


_MISSING_FILE_HINT = (
    "Correct the path, or write the document of an app, a URL or a service to this file with "
    "`infra dev api-snapshot SOURCE FILE`."
)


def _checked(document: Document) -> Document:
    check(document)
    return document


def _no_other_files(name: str) -> bytes:
    raise CompareError(
        name,
        "the target is another file, but a document that was not read from a file cannot refer to files",
        hint=(
            "Save the document in a file, and allow references to URLs with `--allow-network`. In Python, "
            "pass the argument `read`."
        ),
    )


def disk(document: Path, root: str | Path | None) -> Reader:
    """Return a function that reads files from the disk: the file `document`, and files below `root`."""
    working_directory = Path.cwd()
    if root is not None:
        allowed = Path(root).resolve()
    else:
        allowed = (
            working_directory
            if document.resolve().is_relative_to(working_directory)
            else document.resolve().parent
        )

    def read(name: str) -> bytes:
        if "://" in name:
            raise CompareError(
                name,
                "the document is on the network, and network access is not allowed",
                hint="Allow references to URLs with `--allow-network`.",
            )
        path = Path(name)
        if path != document and not path.resolve().is_relative_to(allowed):
            raise CompareError(
                name,
                f"the file is outside of {allowed}",
                hint="Set `--root` to a directory that contains both files.",
            )
        if path.is_dir():
            raise CompareError(name, "the path is a directory, not a file")
        if not path.exists():
            raise CompareError(
                name, "the file does not exist", hint=_MISSING_FILE_HINT if path == document else ""
            )
        if not path.is_file():
            raise CompareError(name, "the path is not a regular file")
        if path.stat().st_size > source.MAX_BYTES:
            raise CompareError(
                name, f"the file has {path.stat().st_size:,} bytes; the limit is {source.MAX_BYTES:,}"
            )
        return path.read_bytes()

    return read
