"""Read the files of a Debian package, which is an `ar` archive with a tar archive in it.

Source: deb(5), ar(5).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from infra_runtime.errors import IntegrityError

_MAGIC = b"!<arch>\n"
#: the size of the header of a member in bytes
_HEADER = 60


@contextmanager
def data_archive(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Yield the tar archive with the files of a package as a file that is read from the package.

    Raises `IntegrityError` if the file is not a Debian package, or if it cannot be decompressed.
    """
    package = str(file.name).rpartition("/")[2]
    for name, size in _members(file, package):
        if name in {"data.tar", "data.tar.gz", "data.tar.xz", "data.tar.bz2", "data.tar.lzma"}:
            yield _Part(file, size, package)  # type: ignore[misc] # only `read` is called
            return
        if name == "data.tar.zst":
            with _decompressed(file, package) as tar:
                yield tar
            return
    raise IntegrityError(package, "the package contains no file data.tar with a supported compression")


def _members(file: IO[bytes], package: str) -> Iterator[tuple[str, int]]:
    """Yield name and size of each member; while a member is yielded, `file` is at its content."""
    file.seek(0)
    if file.read(len(_MAGIC)) != _MAGIC:
        raise IntegrityError(package, "is not a Debian package")
    position = len(_MAGIC)
    while len(header := file.read(_HEADER)) == _HEADER:
        try:
            size = int(header[48:58])
        except ValueError:
            size = -1
        if size < 0 or header[58:] != b"`\n":
            raise IntegrityError(package, "the header of a member is damaged")
        yield header[:16].decode("ascii", "replace").rstrip().rstrip("/"), size
        position += _HEADER + size + size % 2
        file.seek(position)
    if header:
        raise IntegrityError(package, "the package is cut off")


class _Part:
    """A file that ends after a number of bytes of another file."""

    def __init__(self, file: IO[bytes], size: int, package: str) -> None:
        self._file, self._left, self._package = file, size, package

    def read(self, size: int) -> bytes:
        length = min(size, self._left)
        block = self._file.read(length)
        if length and not block:
            raise IntegrityError(self._package, "the package is cut off")
        self._left -= len(block)
        return block


@contextmanager
def _decompressed(file: IO[bytes], package: str) -> Iterator[IO[bytes]]:
    """Yield the tar archive of a package that is compressed with Zstandard; `dpkg-deb` decompresses it."""
    program = shutil.which("dpkg-deb")
    if program is None:
        raise IntegrityError(
            package, "the package is compressed with Zstandard", hint="Install the program `dpkg-deb`."
        )
    command = [program, "--fsys-tarfile", str(file.name)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout  # noqa: S101 - it is a pipe
        yield process.stdout
        if process.wait():
            raise IntegrityError(package, "dpkg-deb cannot decompress the package")
