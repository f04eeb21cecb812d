"""Download a file from a URL: resume it, limit its size, detect stalls, and compare its SHA-256."""

from __future__ import annotations

import base64
import http.client
import io
import netrc
import os
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from infra_runtime.binaries.lockfile import sha256
from infra_runtime.errors import InstallError, IntegrityError
from infra_runtime.redaction import masked_text

#: a function that is called with the number of bytes that have been downloaded
Progress = Callable[[int], None]
#: the seconds after which a download fails if no byte, or fewer than `_LEAST` bytes, have arrived
STALL_SECONDS = 60.0
_LEAST = 1024
#: the number of attempts; each attempt continues the interrupted download, if the server supports this
ATTEMPTS = 4
_BLOCK = 1 << 16
#: the size limit in bytes of a file that is not locked yet
UNKNOWN_LIMIT = 2 << 30


def download(
    name: str,
    url: str,
    target: Path,
    *,
    size: int = 0,
    digest: str = "",
    progress: Progress | None = None,
    stall: float = STALL_SECONDS,
) -> None:
    """Download a file to the path `target`; the file appears there only after its size and hash are verified.

    The bytes are written to `target` with the suffix `.part`. If this file exists because an earlier download
    was interrupted, only the missing bytes are requested, and all bytes if the complete file then has another
    hash. `size` is the size in bytes in the lock; 0 if
    unknown. The login for the server is read from the file in the variable NETRC, or from `~/.netrc`.

    Raises:
        InstallError: the address is invalid, or the server does not answer, or sends an error or too few
            bytes.
        IntegrityError: the server has too many bytes, or the hash differs, in which case the bytes are
            removed.
        OSError: a file cannot be written.
    """
    _check_address(name, url)
    part_path = target.with_name(f"{target.name}.part")
    resumed = part_path.exists() and part_path.stat().st_size > 0
    problem = ""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            if _transfer(name, url, part_path, size=size, progress=progress, stall=stall):
                break
            problem = f"the server has sent only {part_path.stat().st_size} of {size} bytes"
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # the error contains the open connection
                if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                    # the partial file is longer than the file on the server
                    part_path.unlink(missing_ok=True)
                    problem = problem or _reason(error)
                    continue
            elif isinstance(error, OSError) and error.filename:  # an error of the disk, not of the network
                raise
            problem = _reason(error)
            if attempt == ATTEMPTS or _is_final(error):
                raise InstallError(name, f"{url}: {problem}", _hint(error)) from error
    else:
        raise InstallError(name, f"{url}: {problem}", "The next attempt continues the download.")
    if digest and (actual := sha256(part_path)) != digest:
        part_path.unlink()
        if resumed:  # the interrupted download can belong to another version of the file
            download(name, url, target, size=size, digest=digest, progress=progress, stall=stall)
            return
        raise IntegrityError(name, f"{url}: the SHA-256 is {actual}, but the lock contains {digest}")
    part_path.replace(target)


def _check_address(name: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        is_http = parts.scheme in {"http", "https"} and url.isascii() and parts.port != 0
        has_login = "@" in parts.netloc
    except ValueError:
        is_http = has_login = False
    if not is_http:
        raise InstallError(
            name,
            f"{masked_text(url)} must be an address that begins with http:// or https://",
            "Correct the address.",
        )
    if has_login:
        problem = f"{masked_text(url)} contains a login"
        raise InstallError(name, problem, "Write the login to ~/.netrc, which curl and pip also read.")


def _transfer(
    name: str, url: str, part_path: Path, *, size: int, progress: Progress | None, stall: float
) -> bool:
    """Append the missing bytes of a file to the file `part_path`; return whether the file is complete."""
    limit = size or UNKNOWN_LIMIT
    have = part_path.stat().st_size if part_path.exists() else 0
    if size and have >= size:
        if have == size:
            return True
        part_path.unlink()
        have = 0
    headers = {"User-Agent": "pytest-infra", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme is checked
    if header := _login(urlsplit(url).hostname or ""):
        request.add_unredirected_header("Authorization", header)
    with _OPENER.open(request, timeout=stall) as answer:
        have = _start(answer, have, part_path)
        announced = answer.length
        if announced is not None and have + announced > limit:
            total = have + announced
            raise IntegrityError(name, f"{url}: the file on the server has {total} bytes instead of {limit}")
        with _opened(part_path, append=bool(have)) as file:
            for block in _blocks(answer, stall):
                have += len(block)
                if have > limit:
                    part_path.unlink()
                    raise IntegrityError(name, f"{url}: the server sends more than {limit} bytes")
                _write(file, block, part_path)
                if progress:
                    progress(have)
        if announced and answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
    return not size or have == size


class _Header:
    """Reads the lines of the header of an answer, which must arrive before a deadline.

    The time limit of a socket applies to each packet, so that a server could send single bytes without end.
    """

    def __init__(self, file: io.BufferedReader, seconds: float) -> None:
        self.file, self._seconds = file, seconds
        self._deadline = time.monotonic() + seconds

    def readline(self, limit: int) -> bytes:
        """Return the next line, at most `limit` bytes. Raises `HTTPException` after the deadline."""
        line = b""
        while len(line) < limit and not line.endswith(b"\n"):
            if time.monotonic() > self._deadline:
                raise http.client.HTTPException(f"the header did not arrive within {self._seconds:g} s")
            block = self.file.peek()[: limit - len(line)]
            if not block:
                break
            line += self.file.read(block.find(b"\n") + 1 or len(block))
        return line

    def close(self) -> None:
        self.file.close()


class _Answer(http.client.HTTPResponse):
    """An HTTP answer whose complete header must arrive within the time limit of its socket."""

    fp: Any

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self._seconds = sock.gettimeout() or STALL_SECONDS

    def begin(self) -> None:
        """Read the header of the answer."""
        file = self.fp
        self.fp = header = _Header(file, self._seconds)
        try:
            super().begin()
        finally:
            self.fp = file if self.fp is header else self.fp


class _Http(urllib.request.HTTPHandler):
    def do_open(self, http_class: Any, req: urllib.request.Request, **options: Any) -> Any:
        """Send a request over HTTP, and return the answer, whose header must arrive in time."""
        return super().do_open(_limited(http_class), req, **options)


class _Https(urllib.request.HTTPSHandler):
    def do_open(self, http_class: Any, req: urllib.request.Request, **options: Any) -> Any:
        """Send a request over HTTPS, and return the answer, whose header must arrive in time."""
        return super().do_open(_limited(http_class), req, **options)


def _limited(connection_class: Callable[..., http.client.HTTPConnection]) -> Any:
    """Return a function that creates a connection whose answers are `_Answer`s."""

    def create(*arguments: Any, **options: Any) -> http.client.HTTPConnection:
        connection = connection_class(*arguments, **options)
        connection.response_class = _Answer
        return connection

    return create


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to HTTP addresses without a login, and from HTTPS only to HTTPS."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        target = urlsplit(newurl)
        if target.scheme not in {req.type, "https"} or "@" in target.netloc:
            problem = f"{msg}: the redirect to {masked_text(newurl)} is not followed"
            raise urllib.error.HTTPError(newurl, code, problem, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    def http_error_302(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
    ) -> Any:
        """Follow a redirect; close the answer if its address is invalid."""
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except ValueError:
            fp.close()
            raise

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


_OPENER = urllib.request.build_opener(_Redirects, _Http, _Https)


def _login(host: str) -> str:
    """Return the value of the header Authorization for a server; empty if no netrc file contains a login."""
    try:
        path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
        login = netrc.netrc(str(path)).authenticators(host)
    except (OSError, RuntimeError, ValueError, netrc.NetrcParseError):
        return ""  # RuntimeError: the user has no home directory; ValueError: the file is not text
    if login is None:
        return ""
    return "Basic " + base64.b64encode(f"{login[0]}:{login[2] or ''}".encode()).decode()


def _start(answer: http.client.HTTPResponse, present_bytes: int, part_path: Path) -> int:
    """Return the offset of the first byte of an answer: `present_bytes`, or 0 for the whole file.

    Raises `HTTPException` if the answer begins at another offset. Source: RFC 9110, "Content-Range".
    """
    if not present_bytes or answer.status != http.client.PARTIAL_CONTENT:
        return 0
    if not re.match(rf"bytes {present_bytes}-", answer.headers.get("Content-Range") or ""):
        part_path.unlink()
        raise http.client.HTTPException("the server has not sent the requested part of the file")
    return present_bytes


def _opened(part_path: Path, *, append: bool) -> FileIO:
    # `O_NOFOLLOW`: if the path is a symbolic link, opening it fails.
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (os.O_APPEND if append else os.O_TRUNC)
    return FileIO(os.open(part_path, flags, 0o600), "wb")


def _blocks(answer: http.client.HTTPResponse, stall: float) -> Iterator[bytes]:
    """Yield the bytes of an answer. Raises `HTTPException` if too few bytes arrive within `stall` seconds."""
    received, start = 0, time.monotonic()
    while block := answer.read1(_BLOCK):
        yield block
        received += len(block)
        if time.monotonic() - start > stall:
            if received < _LEAST:
                raise http.client.HTTPException(f"only {received} bytes in {stall:g} s")
            received, start = 0, time.monotonic()


def _write(file: FileIO, block: bytes, part_path: Path) -> None:
    try:
        while block:  # a full disk can shorten a write before the next write fails
            block = block[file.write(block) :]
    except OSError as error:
        error.filename = str(part_path)
        raise


def _is_final(error: Exception) -> bool:
    """Return whether a repeated request would fail in the same way.

    This is true for an invalid address, and for the status 3xx or 4xx, except 408 and 429.
    """
    if isinstance(error, urllib.error.HTTPError):
        return 300 <= error.code < 500 and error.code not in {408, 429}
    return isinstance(error, ValueError | http.client.InvalidURL)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError):
        return "no data arrived before the time limit"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection was closed before the end of the file"
    return str(getattr(error, "reason", "") or error) or type(error).__name__


def _hint(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return "The file may have been removed from the server; `infra bin lock` reads the registry again."
    if _is_final(error):
        return "Correct the address."
    return "Check the network and the proxy; the next attempt continues the download."
