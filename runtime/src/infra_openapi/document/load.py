"""Documents from a file, from a text and from plain data; every reference is followed once."""

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
    """The document in a file.

    Files that it refers to are read where they lie under `root`: by default the working directory where the
    file is inside of it, else the file's own folder. `read` takes the place of the disk altogether.

    Raises:
        CompareError: the file is missing, empty, not OpenAPI, or a reference leads nowhere or outside.
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
    """The document in a text, or in plain data; it may refer to other files only where `read` gives them.

    Raises:
        CompareError: it is empty, not OpenAPI, or a reference leads nowhere.
    """
    if not isinstance(content, str | bytes):
        try:
            content = json.dumps(content)
        except (TypeError, ValueError, RecursionError) as error:
            raise CompareError(name, f"is not plain data: {error}") from error
    raw = content.encode(errors="surrogatepass") if isinstance(content, str) else content
    return _checked(Document(File(name, raw), read or _nowhere))


def _checked(document: Document) -> Document:
    check(document)
    return document


def _nowhere(name: str) -> bytes:
    raise CompareError(name, "is another file; there is no way to read it from here")


def disk(document: Path, root: str | Path | None) -> Reader:
    """Reads the document's file, and what lies under `root`."""
    home = Path.cwd()
    if root is not None:
        allowed = Path(root).resolve()
    else:
        allowed = home if document.resolve().is_relative_to(home) else document.resolve().parent

    def read(name: str) -> bytes:
        if "://" in name:
            raise CompareError(name, "is on the network, which is not asked without leave")
        path = Path(name)
        if path != document and not path.resolve().is_relative_to(allowed):
            raise CompareError(
                name, f"is outside of {allowed}", hint="Allow it by naming a root that holds both."
            )
        if path.is_dir():
            raise CompareError(name, "is a directory, not a file")
        if not path.exists():
            raise CompareError(name, "does not exist")
        if not path.is_file():
            raise CompareError(name, "is no regular file")
        if path.stat().st_size > source.MAX_BYTES:
            raise CompareError(name, f"has {path.stat().st_size:,} bytes; the limit is {source.MAX_BYTES:,}")
        return path.read_bytes()

    return read
