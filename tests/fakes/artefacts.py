"""Small archives, wheels and Debian packages, and a server that sends files correctly or with faults."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import socketserver
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from infra_runtime.binaries.lockfile import Artefact, Locked
from infra_runtime.binaries.platforms import current

#: a program that prints its name and its arguments
PROGRAM = b'#!/bin/sh\necho "$(basename "$0") $*"\n'


def tar(entries: Mapping[str, bytes], *members: tarfile.TarInfo, mode: str = "w:gz") -> bytes:
    """Return a tar archive with executable files, and members without content.

    The archive does not contain the time, because the workers of a run must collect the same parameters.
    """
    buffer = io.BytesIO()
    compressed = mode == "w:gz"
    with tarfile.open(fileobj=buffer, mode="w" if compressed else mode) as archive:  # type: ignore[call-overload]
        for member in members:
            archive.addfile(member)
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0) if compressed else buffer.getvalue()


def member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """Return the header of a link, a device or another entry without content."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zipped(entries: Mapping[str, bytes], *, mode: int = 0o100755, deflated: bool = True) -> bytes:
    """Return a zip archive whose entries all have the same mode."""
    buffer = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, method
            archive.writestr(info, content)
    return buffer.getvalue()


def unzipped(content: bytes) -> dict[str, bytes]:
    """Return a mapping from name to content of the entries of a zip archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def package(data: bytes, name: str = "data.tar.xz") -> bytes:
    """Return a Debian package with this tar archive in it."""
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": tar({}, mode="w:xz"), name: data}
    content = b"!<arch>\n"
    for part, text in parts.items():
        header = f"{part:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(text):<10}`\n"
        content += header.encode() + text + b"\n" * (len(text) % 2)
    return content


def wheel(
    distribution: str, version: str, programs: Mapping[str, bytes], tag: str = "py3-none-any"
) -> tuple[str, bytes]:
    """Return file name and content of a wheel with programs as scripts."""
    stem = f"{distribution.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    metadata = f"Metadata-Version: 2.4\nName: {distribution}\nVersion: {version}\nLicense-Expression: MIT\n"
    files = {
        **{f"{stem}.data/scripts/{name}": content for name, content in programs.items()},
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
        f"{info}/licenses/LICENSE": b"the text of the licence\n",
    }
    record = "".join(f"{name},,\n" for name in files) + f"{info}/RECORD,,\n"
    return f"{stem}-{tag}.whl", zipped({**files, f"{info}/RECORD": record.encode()})


def locked(recipe: str, url: str, content: bytes, *, version: str = "1.0", size: int | None = None) -> Locked:
    """Return the lock entry of an archive by URL."""
    artefact = Artefact(
        registry="url",
        name=recipe,
        version=version,
        path=url,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content) if size is None else size,
    )
    return Locked(
        recipe=recipe,
        platform=current(),
        source="archive",
        version=version,
        licence="MIT",
        artefacts=(artefact,),
    )


class Files:
    """The files of the server, and the requests that it has received."""

    def __init__(self) -> None:
        self.address = ""
        self.contents: dict[str, bytes] = {}
        #: path → the number of bytes after which the connection is closed, once for each entry of the list
        self.cuts: dict[str, list[int]] = {}
        #: path → the Content-Length that is sent; None: no such header
        self.lengths: dict[str, int | None] = {}
        #: paths for which the server sends the header and ten bytes, and then nothing
        self.stalled: set[str] = set()
        #: paths of which the server sends a byte each 20 ms
        self.slow: set[str] = set()
        #: paths for which the server ignores the header Range
        self.without_ranges: set[str] = set()
        #: path → the header Content-Range of a partial answer, which contains the whole file; None: no header
        self.wrong_ranges: dict[str, str | None] = {}
        #: path → the address to which the server redirects
        self.redirects: dict[str, str] = {}
        #: the type of all files
        self.type = "application/octet-stream"
        #: path → the header Authorization without which the server answers 401
        self.logins: dict[str, str] = {}
        #: the server sends no file before this number of files is requested
        self.together: threading.Barrier | None = None
        self.requests: list[tuple[str, str]] = []
        self.stopped = threading.Event()

    def add(self, path: str, content: bytes) -> str:
        """Add a file and return its URL."""
        self.contents[path] = content
        return f"{self.address}/{path}"

    def parts(self, path: str, content: bytes, start: int) -> Iterator[bytes]:
        """Yield the parts of an answer: the bytes of a file from the position `start`."""
        if path in self.stalled:
            yield content[:10]
            self.stopped.wait(300)
        elif path in self.slow:
            for number in range(len(content)):
                yield content[number : number + 1]
                self.stopped.wait(0.02)
        else:
            cuts = self.cuts.get(path, [])
            yield content[: cuts.pop(0) - start] if cuts else content

    def refusal(self, path: str, login: str | None) -> int:
        """Return the status of an answer without the file; 0 if the server sends the file."""
        if path in self.redirects:
            return 302
        if path not in self.contents:
            return 404
        return 0 if login == self.logins.get(path) else 401


@contextmanager
def serving() -> Iterator[Files]:
    """Serve files on a port of the loopback address."""
    files = Files()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, wanted = self.path.lstrip("/"), self.headers.get("Range", "")
            files.requests.append((path, wanted))
            if status := files.refusal(path, self.headers.get("Authorization")):
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.send_header("Location", files.redirects.get(path, ""))
                self.end_headers()
                return
            if files.together:
                files.together.wait(300)
            content, start = files.contents[path], 0
            if wanted and path not in files.without_ranges:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            span: str | None = f"bytes {start}-{len(content) - 1}/{len(content)}"
            if path in files.wrong_ranges:
                span, start = files.wrong_ranges[path], 0
            self.send_header("Content-Type", files.type)
            if wanted and span:
                self.send_header("Content-Range", span)
            length = files.lengths.get(path, len(content))
            if length is not None:
                self.send_header("Content-Length", str(length - start))
            self.end_headers()
            with contextlib.suppress(OSError):  # the client has closed the connection
                for part in files.parts(path, content[start:], start):
                    self.wfile.write(part)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False  # so that the end of the server waits for the end of all answers
    files.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield files
    finally:
        files.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def answering(*parts: bytes, pause: float = 0.0) -> Iterator[str]:
    """Yield the address of a server that sends these bytes as its answer to each request.

    With a pause, the server then sends the last part again and again, with this pause, until the client
    closes the connection.
    """
    stopped = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            with contextlib.suppress(OSError):  # the client has closed the connection
                self.wfile.write(b"".join(parts))
                while pause and not stopped.wait(pause):
                    self.wfile.write(parts[-1])

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = False

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/tool"
    finally:
        stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()


def save(folder: Path, name: str, content: bytes) -> Path:
    """Write a file and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    return path
