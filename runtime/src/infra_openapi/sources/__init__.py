"""Open a document from its source: a file, a git revision, standard input, a URL, or a Python app.

    opened = open_source("main:api/openapi.yaml")
    opened.document

`kind_of` derives the kind of a source from its text. The network is used only if the source is a URL, or if
`Access.network` allows a file to refer to URLs. Code is executed only if the source is a Python app.
"""

from __future__ import annotations

import enum
import os
import re
import select
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra_openapi.document import Document, Reader, disk, load, parse, text
from infra_openapi.errors import CompareError

_APP = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?:\(\))?\Z")
_DOCUMENT = re.compile(r"\.(?:json|ya?ml)\Z", re.IGNORECASE)
#: The default time limit, in seconds, for a response, for the import of an app, and for a named pipe.
DEFAULT_TIMEOUT = 60.0


class Kind(enum.StrEnum):
    """The kind of a source: a document is read from a file, a URL, a git revision, …"""

    FILE = "file"
    STDIN = "stdin"
    URL = "url"
    SERVICE = "service"
    GIT = "git"
    APP = "app"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An OpenAPI document that was read, and the name of its source.

    `path` is the file of the document in the working tree, or None if the source is not a regular file.
    """

    name: str
    document: Document
    path: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The permissions and the time limit for reading a document and the files that it refers to."""

    #: The directory that contains all files to which a document that is a file may refer. The default is the
    #: working directory if it contains the document, otherwise the directory of the document.
    root: Path | None = None
    #: whether a document that is a file may refer to URLs
    network: bool = False
    #: the maximum number of seconds to wait for a server, an app or a named pipe
    timeout: float = DEFAULT_TIMEOUT


def kind_of(source: str, directory: Path = Path()) -> Kind:
    """Return the kind of a source, derived from its text.

    `main:openapi.yaml` is a file in a git revision, because it ends with `.json`, `.yaml` or `.yml`.
    `shop.web:app` is an attribute of a Python module. An existing path is a file, unless the source is `-`, a
    URL or begins with `service:`.
    """
    if source == "-":
        return Kind.STDIN
    if source.startswith(("http://", "https://")):
        return Kind.URL
    if source.startswith("service:"):
        return Kind.SERVICE
    if ":" not in source or os.path.lexists(directory / source):
        return Kind.FILE
    return Kind.APP if _APP.match(source) and not _DOCUMENT.search(source) else Kind.GIT


def open_source(source: str, *, directory: Path | None = None, access: Access | None = None) -> Opened:
    """Read the document from a source.

    Paths, git revisions and Python modules are relative to `directory`.

    Raises:
        CompareError: the document is missing, unreadable or not an OpenAPI document, or the app did not
            return a document.
    """
    base_directory, access = directory or Path(), access or Access()
    match kind_of(source, base_directory):
        case Kind.FILE:
            return _file(source, base_directory, access)
        case Kind.STDIN:
            if sys.stdin is None:
                raise CompareError("stdin", "standard input is closed: redirect a document to standard input")
            content = sys.stdin.buffer.read(text.MAX_BYTES + 1)
            return Opened(name="stdin", document=parse(content, name="stdin"))
        case Kind.URL:
            from infra_openapi.sources import web

            name, read = web.reader(source, access.timeout)
            return Opened(name=name, document=load(name, read=read))
        case Kind.SERVICE:
            hint = "Use `infra dev api-check`, which finds the running stack, or give the URL of the service."
            raise CompareError(
                source,
                "the source is a service of a stack, but this program has no access to a running stack",
                hint=hint,
            )
        case Kind.GIT:
            from infra_openapi.sources import git

            name, read = git.reader(source, base_directory)
            return Opened(name=source, document=load(name, read=read))
        case Kind.APP:
            from infra_openapi.sources import app

            return Opened(
                name=source, document=parse(app.schema(source, base_directory, access.timeout), name=source)
            )


def _file(source: str, base_directory: Path, access: Access) -> Opened:
    path = base_directory / source
    # Messages contain the path relative to the working directory, not relative to the stack file.
    display_path = Path(os.path.relpath(path)) if not Path(source).is_absolute() else path
    if path.is_fifo():
        return Opened(
            name=str(display_path), document=parse(_read_pipe(path, access.timeout), name=str(display_path))
        )
    try:
        read: Reader = disk(display_path, access.root)
    except ValueError as error:
        raise CompareError(str(display_path), f"the source is not a path: {error}") from error
    except (OSError, RuntimeError) as error:
        raise CompareError(str(display_path), f"the path is a circular symbolic link: {error}") from error
    if access.network:
        read = _with_network(read, access.timeout)
    return Opened(name=str(display_path), document=load(display_path, read=read), path=display_path)


def _read_pipe(pipe: Path, timeout: float) -> bytes:
    """Return the content of a named pipe, such as `<(…)` of the shell.

    The result is empty if no process writes to the pipe.
    """
    descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    content = b""
    deadline = time.monotonic() + timeout
    try:
        while len(content) <= text.MAX_BYTES:
            try:
                chunk = os.read(descriptor, 1 << 20)
            except BlockingIOError:
                if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                    raise CompareError(
                        str(pipe),
                        f"the process that writes to the pipe did not close the pipe within {timeout:g} s",
                    ) from None
                continue
            if not chunk:
                break
            content += chunk
    finally:
        os.close(descriptor)
    return content


def _with_network(read: Callable[[str], bytes], timeout: float) -> Reader:
    from infra_openapi.sources import web

    def anywhere(name: str) -> bytes:
        return web.fetched(name, timeout) if "://" in name else read(name)

    return anywhere
