"""Unpack zip and tar archives and Debian packages into a folder, safely even if their content is malicious.

No entry is written outside the folder, no link leaves it, and only files, folders and links are accepted. The
number of entries, the total size and the ratio of unpacked to packed bytes are limited. An `IntegrityError`
contains the name of the archive and, if an entry is the cause, of the entry.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from infra_runtime.binaries.deb_archive import data_archive
from infra_runtime.errors import IntegrityError
from infra_runtime.value import frozen

#: the number of bytes that are read at once
_BLOCK = 1 << 18
#: the first bytes of a compressed file → the class that decompresses it
_DECOMPRESSORS: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
    b"\x5d\x00\x00": lzma.LZMAFile,
}
#: the exceptions that the modules for archives raise for damaged bytes
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, struct.error, EOFError),
    *(ValueError, LookupError, ArithmeticError),
)
#: the error numbers of the system for the name of an entry that is invalid as a file name
_INVALID_NAME = frozenset({errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ})


@frozen
class Limits:
    """The limits for one archive."""

    entries: int = 100_000
    #: the largest number of unpacked bytes
    size: int = 4 << 30
    #: the largest number of unpacked bytes per packed byte; it is checked above `ratio_from` bytes, because
    #: small texts compress well
    ratio: int = 200
    ratio_from: int = 64 << 20
    #: the largest number of bytes of a tar archive outside of the content of files, such as headers, which
    #: are read into memory
    overhead: int = 256 << 20


DEFAULT_LIMITS = Limits()


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def unpack(archive: Path, into: Path, *, limits: Limits = DEFAULT_LIMITS) -> None:
    """Unpack an archive into a folder; create the folder if it is missing.

    The type of the archive is determined by its content, not by its name.

    Raises `IntegrityError` for an unsafe or damaged archive, and `OSError` for errors of the disk.
    """
    tree = _Tree(archive, into, limits)
    with _damage_reported(archive), archive.open("rb") as file:
        if _is_package(file):
            with data_archive(file) as data:
                _unpack_tar(tree, data, absolute_links=True)
        elif zipfile.is_zipfile(file):
            _unpack_zip(tree, file)
        else:
            file.seek(0)
            _unpack_tar(tree, file, absolute_links=False)
        tree.check_links()


def unpack_plain(archive: Path, into: Path, name: str) -> None:
    """Copy a file that is a program, and not an archive, to the file `name` in a folder."""
    into.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(archive, into / name)
    (into / name).chmod(0o755)


def is_program(path: Path) -> bool:
    """Return whether a file begins like an executable of Linux (ELF) or macOS (Mach-O)."""
    with path.open("rb") as file:
        return file.read(4) in {b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"}


@contextmanager
def _damage_reported(archive: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise IntegrityError(archive.name, f"the archive is damaged: {error}") from error
    except OSError as error:
        if error.errno in _INVALID_NAME:
            raise IntegrityError(archive.name, f"an entry has an invalid name: {error}") from error
        raise
    except (NotImplementedError, RuntimeError) as error:  # zipfile: compression method, or password
        raise IntegrityError(archive.name, f"the archive cannot be read: {error}") from error


def _is_package(file: IO[bytes]) -> bool:
    file.seek(0)
    start = file.read(8)
    file.seek(0)
    return start == b"!<arch>\n"


class _Tree:
    """The target folder of an archive; checks and writes entries, and counts the written bytes."""

    def __init__(self, archive: Path, into: Path, limits: Limits) -> None:
        self._archive, self._limits = archive, limits
        self._packed = max(archive.stat().st_size, 1)
        self._root = into
        self._entries = self._written = 0
        self._links: list[str] = []
        self._root.mkdir(parents=True, exist_ok=True)

    def refuse(self, entry: str, problem: str) -> IntegrityError:
        """Return the error for an entry of the archive that is refused."""
        return IntegrityError(self._archive.name, f"the entry {entry!r} {problem}")

    def path(self, entry: str) -> Path | None:
        """Return the path for an entry; None if the entry is the target folder itself.

        Each folder above the path is created, and must not be a link.
        """
        self._entries += 1
        if self._entries > self._limits.entries:
            reason = f"is entry number {self._entries}, but the limit is {self._limits.entries}"
            raise self.refuse(entry, reason)
        parts = self._parts(entry)
        if not parts:
            return None
        folder = self._root
        for part in parts[:-1]:
            folder = folder / part
            if folder.is_symlink():
                raise self.refuse(entry, "would be written through a link")
            if folder.is_file():
                raise self.refuse(entry, "is below an entry that is a file")
            folder.mkdir(exist_ok=True, mode=0o755)
        path = folder / parts[-1]
        if path.is_symlink():
            raise self.refuse(entry, "would replace a link")
        if path.exists() and not path.is_dir():
            raise self.refuse(entry, "occurs twice")
        return path

    def _parts(self, entry: str) -> list[str]:
        parts = [part for part in entry.split("/") if part not in {"", "."}]
        if entry.startswith("/") or "\\" in entry or "\0" in entry or ".." in parts:
            raise self.refuse(entry, "has an absolute path or `..`, or a backslash or NUL in its name")
        return parts

    def folder(self, entry: str) -> None:
        """Create the folder for an entry of the archive."""
        path = self.path(entry)
        if path is not None:
            path.mkdir(exist_ok=True, mode=0o755)

    def file(self, entry: str, content: _Readable, mode: int) -> None:
        """Write a file, executable if its mode in the archive is executable by the owner."""
        path = self.path(entry)
        if path is None or path.is_dir():
            raise self.refuse(entry, "is a file, but the archive also contains a folder with this path")
        with path.open("xb") as target:
            while block := content.read(_BLOCK):
                self._count(entry, len(block))
                target.write(block)
        path.chmod(0o755 if mode & stat.S_IXUSR else 0o644)

    def _count(self, entry: str, number: int) -> None:
        self._written += number
        if self._written > self._limits.size:
            raise self.refuse(entry, f"exceeds the limit of {self._limits.size} unpacked bytes")
        if self._written > self._limits.ratio_from and self._written > self._limits.ratio * self._packed:
            raise self.refuse(
                entry, f"makes the content more than {self._limits.ratio} times as large as the archive"
            )

    def count_read(self, total: int) -> None:
        """Check the number of bytes (uncompressed) that have been read from a tar archive."""
        if total - self._written > self._limits.overhead:
            problem = f"the archive has more than {self._limits.overhead} bytes outside of its files"
            raise IntegrityError(self._archive.name, problem)

    def link(self, entry: str, target: str, *, absolute: bool) -> None:
        """Create a symbolic link; if `absolute` is true, a target `/…` is a path in the target folder."""
        path = self.path(entry)
        if path is None or path.is_dir():
            raise self.refuse(entry, "is a link, but the archive also contains a folder with this path")
        depth = len(self._parts(entry)) - 1
        if target.startswith("/") and absolute:
            target = "../" * depth + target.lstrip("/")
        if not target or "\0" in target:
            raise self.refuse(entry, f"is a link to {target!r}, which cannot be a path")
        if target.startswith("/") or _leaves(target, depth):
            raise self.refuse(entry, f"is a link that leaves the folder: {target}")
        path.symlink_to(target)
        self._links.append(entry)

    def hard_link(self, entry: str, target: str) -> None:
        """Create a hard link to a file that this archive contains."""
        path = self.path(entry)
        source = self._root.joinpath(*self._parts(target))
        is_known = source.is_file() and not source.is_symlink() and self._is_inside(source)
        if path is None or path.is_dir() or not is_known:
            raise self.refuse(entry, f"is a hard link to {target!r}, which the archive does not contain")
        os.link(source, path)

    def check_links(self) -> None:
        """Check all links after all entries are written: a chain of links must not leave the folder."""
        for entry in self._links:
            if not self._is_inside(self._root / entry):
                raise self.refuse(entry, "is a link that leaves the folder through another link")
            try:
                (self._root / entry).stat()
            except OSError as error:
                if error.errno == errno.ELOOP:
                    raise self.refuse(entry, "is a link that leads back to itself") from error

    def _is_inside(self, path: Path) -> bool:
        # `Path.resolve` raises an error for a link to itself before Python 3.13.
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self._root))


def _leaves(target: str, depth: int) -> bool:
    for part in target.split("/"):
        if part == "..":
            depth -= 1
        elif part not in {"", "."}:
            depth += 1
        if depth < 0:
            return True
    return False


class _Stream:
    """A file with the uncompressed bytes of a tar archive, which limits the bytes outside of file contents.

    The module `tarfile` can also decompress, but it accepts incomplete compressed data and headers of any
    size.
    """

    def __init__(self, tree: _Tree, file: IO[bytes]) -> None:
        buffered = io.BufferedReader(_Raw(file), _BLOCK)
        start = buffered.peek(6)
        decompressors = (opener for magic, opener in _DECOMPRESSORS.items() if start.startswith(magic))
        decompress = next(decompressors, None)
        self._file: IO[bytes] = decompress(buffered) if decompress else buffered
        self._tree, self._total = tree, 0

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes. Raises `tarfile.ReadError` for damaged or incomplete data."""
        try:
            block = self._file.read(size)
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            raise tarfile.ReadError(str(error)) from error
        self._total += len(block)
        self._tree.count_read(self._total)
        return block


class _Raw(io.RawIOBase):
    """A raw file for an object that has only the method `read`."""

    def __init__(self, file: _Readable) -> None:
        self._source = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._source.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)


def _unpack_tar(tree: _Tree, file: IO[bytes], *, absolute_links: bool) -> None:
    stream = _Stream(tree, file)
    with tarfile.open(fileobj=stream, mode="r|", bufsize=_BLOCK, errorlevel=2) as tar:  # type: ignore[call-overload] # it only reads
        for member in tar:
            name = member.name
            if member.isdir():
                tree.folder(name)
            elif member.isreg():
                content = tar.extractfile(member)
                tree.file(name, content or io.BytesIO(), member.mode)
            elif member.issym():
                tree.link(name, member.linkname, absolute=absolute_links)
            elif member.islnk():
                tree.hard_link(name, member.linkname)
            else:
                raise tree.refuse(name, "is a device, a pipe or of another special type")
    while stream.read(_BLOCK):  # read the rest, up to the checksum at the end of the compressed data
        pass


def _unpack_zip(tree: _Tree, file: IO[bytes]) -> None:
    kinds: dict[int, Callable[[str, IO[bytes], int], None]] = {0: tree.file, stat.S_IFREG: tree.file}
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            if info.is_dir():
                tree.folder(info.filename)
                continue
            with archive.open(info) as content:
                if stat.S_ISLNK(mode):
                    tree.link(info.filename, os.fsdecode(content.read(4096)), absolute=False)
                elif write := kinds.get(stat.S_IFMT(mode)):
                    write(info.filename, content, mode)
                else:
                    raise tree.refuse(info.filename, "is a device, a pipe or of another special type")
