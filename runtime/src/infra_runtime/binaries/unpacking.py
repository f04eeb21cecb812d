"""Unpack zip and tar archives and Debian packages into a folder, without trust in their content.

No entry is written outside the folder, no link leaves it, and only files, folders and links are accepted. The
number of entries, the total size and the ratio of unpacked to packed bytes are limited. An `IntegrityError`
names the archive and the entry.
"""

from __future__ import annotations

import io
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path
from typing import IO, Protocol

from infra_runtime.binaries.deb_archive import data_archive
from infra_runtime.errors import IntegrityError
from infra_runtime.value import frozen

#: bytes per read
_BLOCK = 1 << 18


@frozen
class Limits:
    """The limits for one archive."""

    entries: int = 100_000
    #: unpacked bytes
    size: int = 4 << 30
    #: unpacked bytes per packed byte; checked above `ratio_from` bytes, because small texts compress well
    ratio: int = 200
    ratio_from: int = 64 << 20


DEFAULT_LIMITS = Limits()


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def unpack(archive: Path, into: Path, *, limits: Limits = DEFAULT_LIMITS) -> None:
    """Unpack an archive into a folder, which is created if necessary.

    The type of the archive is determined by its content, not by its name.

    Raises `IntegrityError` for an unsafe or damaged archive, and `OSError` for errors of the disk.
    """
    tree = _Tree(archive, into, limits)
    with _damage_reported(archive), archive.open("rb") as file:
        if _is_package(file):
            with data_archive(file) as data:
                _unpack_tar(tree, data, "r|*", absolute_links=True)
        elif zipfile.is_zipfile(file):
            _unpack_zip(tree, file)
        else:
            file.seek(0)
            _unpack_tar(tree, file, "r|*", absolute_links=False)
    tree.check_links()


def unpack_plain(archive: Path, into: Path, name: str) -> None:
    """Copy a file that is a program, not an archive, into a folder under a name."""
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
    except (tarfile.TarError, zipfile.BadZipFile, LZMAError, zlib.error, EOFError) as error:
        raise IntegrityError(archive.name, f"the archive is damaged: {error}") from error
    except (NotImplementedError, RuntimeError) as error:  # zipfile: compression method, or password
        raise IntegrityError(archive.name, f"the archive cannot be read: {error}") from error


def _is_package(file: IO[bytes]) -> bool:
    file.seek(0)
    start = file.read(8)
    file.seek(0)
    return start == b"!<arch>\n"


class _Tree:
    """The folder into which one archive is unpacked, and what was written to it."""

    def __init__(self, archive: Path, into: Path, limits: Limits) -> None:
        self._archive, self._limits = archive, limits
        self._packed = max(archive.stat().st_size, 1)
        self._root = into
        self._entries = self._written = 0
        self._links: list[str] = []
        self._root.mkdir(parents=True, exist_ok=True)

    def refuse(self, entry: str, problem: str) -> IntegrityError:
        """Return the error that an entry of the archive is not accepted."""
        return IntegrityError(self._archive.name, f"the entry {entry!r} {problem}")

    def path(self, entry: str) -> Path | None:
        """Return the path at which an entry is written; None for the folder itself.

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
            raise self.refuse(entry, "has an absolute path or `..`")
        return parts

    def folder(self, entry: str) -> None:
        """Create a folder."""
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
            raise self.refuse(entry, f"expands the archive more than {self._limits.ratio} times")

    def link(self, entry: str, target: str, *, absolute: bool) -> None:
        """Create a symbolic link. With `absolute`, a target `/…` is below the root folder of the archive."""
        path = self.path(entry)
        if path is None or path.is_dir():
            raise self.refuse(entry, "is a link, but the archive also contains a folder with this path")
        depth = len(self._parts(entry)) - 1
        if target.startswith("/") and absolute:
            target = "../" * depth + target.lstrip("/")
        if target.startswith("/") or "\0" in target or _leaves(target, depth):
            raise self.refuse(entry, f"is a link that leaves the folder: {target}")
        path.symlink_to(target)
        self._links.append(entry)

    def hard_link(self, entry: str, target: str) -> None:
        """Create a second name of a file that this archive contains."""
        path = self.path(entry)
        source = self._root.joinpath(*self._parts(target))
        is_known = source.is_file() and not source.is_symlink() and self._is_inside(source)
        if path is None or path.is_dir() or not is_known:
            raise self.refuse(entry, f"is a hard link to {target!r}, which the archive does not contain")
        os.link(source, path)

    def check_links(self) -> None:
        """Check each link after everything is written: a chain of links must not leave the folder either."""
        for entry in self._links:
            if not self._is_inside(self._root / entry):
                raise self.refuse(entry, "is a link that leaves the folder through another link")

    def _is_inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self._root.resolve())


def _leaves(target: str, depth: int) -> bool:
    for part in target.split("/"):
        if part == "..":
            depth -= 1
        elif part not in {"", "."}:
            depth += 1
        if depth < 0:
            return True
    return False


def _unpack_tar(tree: _Tree, file: IO[bytes], mode: str, *, absolute_links: bool) -> None:
    with tarfile.open(fileobj=file, mode=mode, errorlevel=2) as tar:  # type: ignore[call-overload] # str, no literal
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
