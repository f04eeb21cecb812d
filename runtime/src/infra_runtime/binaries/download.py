"""Download a file by URL: resumable, with a bound on its size, a time limit for stalls, and its SHA-256."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from urllib.parse import urlsplit

from infra_runtime.binaries.lockfile import sha256
from infra_runtime.errors import InstallError, IntegrityError

#: called with the number of bytes that are downloaded so far
Progress = Callable[[int], None]
#: seconds without any new byte after which a download has failed
STALL_SECONDS = 60.0
#: how often a cut download is continued
ATTEMPTS = 4
_BLOCK = 1 << 16
#: the largest file whose size the lock does not know yet
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
    """Download a file to the path `target`, which exists only when size and hash are right.

    The bytes are written to `target` with the suffix `.part`. If that file exists, because an earlier
    download was cut, only the rest is requested. `size` is the size in bytes in the lock; 0 if unknown.

    Raises:
        InstallError: the server does not answer, or sends an error or too few bytes.
        IntegrityError: the server sends too many bytes, or the hash differs; the bytes are removed.
    """
    if urlsplit(url).scheme not in {"http", "https"}:
        raise InstallError(name, f"{url} is not an HTTP address")
    part = target.with_name(f"{target.name}.part")
    resumed = part.exists() and part.stat().st_size > 0
    problem = ""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            if _transfer(name, url, part, size=size, progress=progress, stall=stall):
                break
            problem = f"the server sent {part.stat().st_size} of {size} bytes"
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # the error contains the open connection
            problem = _reason(error)
            if attempt == ATTEMPTS or _is_final(error):
                raise InstallError(name, f"{url}: {problem}", _hint(error)) from error
    else:
        raise InstallError(name, f"{url}: {problem}", "The next attempt continues the download.")
    if digest and (actual := sha256(part)) != digest:
        part.unlink()
        if resumed:  # the file of another version may have been continued
            download(name, url, target, size=size, digest=digest, progress=progress, stall=stall)
            return
        raise IntegrityError(name, f"{url}: the SHA-256 is {actual}, and the lock contains {digest}")
    part.replace(target)


def _transfer(name: str, url: str, part: Path, *, size: int, progress: Progress | None, stall: float) -> bool:
    """Append the missing bytes of a file to the file `part`; return whether all bytes are there."""
    limit = size or UNKNOWN_LIMIT
    have = part.stat().st_size if part.exists() else 0
    if size and have >= size:
        if have == size:
            return True
        part.unlink()
        have = 0
    headers = {"User-Agent": "pytest-infra", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme is checked
    with urllib.request.urlopen(request, timeout=stall) as answer:  # noqa: S310
        if have and answer.status != 206:  # the server sends the whole file
            have = 0
        announced = answer.headers.get("Content-Length") or ""
        if announced.isdigit() and have + int(announced) > limit:
            total = have + int(announced)
            raise IntegrityError(name, f"{url}: the server announces {total} bytes instead of {limit}")
        with _opened(part, append=bool(have)) as file:
            while block := answer.read1(_BLOCK):
                have += len(block)
                if have > limit:
                    part.unlink()
                    raise IntegrityError(name, f"{url}: the server sends more than {limit} bytes")
                while block:  # a full disk can shorten a write before the next write fails
                    block = block[_write(file, block, part) :]
                if progress:
                    progress(have)
        if announced.isdigit() and answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
    return not size or have == size


def _opened(part: Path, *, append: bool) -> FileIO:
    # `O_NOFOLLOW`: a link at this path is not written through.
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (os.O_APPEND if append else os.O_TRUNC)
    return FileIO(os.open(part, flags, 0o600), "wb")


def _write(file: FileIO, block: bytes, part: Path) -> int:
    try:
        return file.write(block)
    except OSError as error:
        error.filename = str(part)
        raise


def _is_final(error: Exception) -> bool:
    """Return whether a repeated request would fail in the same way: an answer 4xx, except 408 and 429."""
    return (
        isinstance(error, urllib.error.HTTPError) and 400 <= error.code < 500 and error.code not in {408, 429}
    )


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
        return "The file may have been removed; `infra bin lock` reads the registry again."
    return "Check the network and the proxy; the next attempt continues the download."
