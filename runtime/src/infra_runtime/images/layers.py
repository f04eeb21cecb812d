"""Layers of an image: reproducible tar archives.

For the same files, the bytes of a layer are the same: the entries are sorted, have a fixed time and no user
names, and modes do not depend on the umask. The compressed bytes also depend on the release of zlib, but the
`diff_id`, the digest of the uncompressed bytes, does not.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Literal, cast

from infra_runtime.errors import ImageError
from infra_runtime.images.documents import LAYER, LAYER_GZIP, Descriptor
from infra_runtime.images.layout import HashingFile, Layout
from infra_runtime.value import frozen

#: the level of gzip; higher levels take twice the time and save only one percent
_LEVEL = 6


@frozen
class Entry:
    """A file, folder or symbolic link of a layer. The name is relative to the root of the image."""

    name: str
    #: the file with the content, or the content; None for folders and links
    content: Path | bytes | None = None
    #: the target of a symbolic link; empty for files and folders
    link: str = ""
    executable: bool = False
    uid: int = 0

    @property
    def is_folder(self) -> bool:
        """Whether the entry is a folder."""
        return self.content is None and not self.link


@frozen
class Layer:
    """A layer in a layout: its descriptor, and the digest of its uncompressed bytes."""

    descriptor: Descriptor
    diff_id: str


def tree(folder: Path, into: str, names: Iterable[str] | None = None) -> Iterator[Entry]:
    """Yield the files, folders and links below a folder as entries below the folder `into` of the image.

    `names` are the paths relative to `folder`; by default, all paths. Sockets, pipes and devices are skipped.
    """
    for name in sorted(names if names is not None else _names(folder)):
        path, target = folder / name, f"{into.strip('/')}/{name}"
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            yield Entry(name=target, link=str(path.readlink()))
        elif stat.S_ISDIR(mode):
            yield Entry(name=target)
        elif stat.S_ISREG(mode):
            yield Entry(name=target, content=path, executable=bool(mode & stat.S_IXUSR))


def _names(folder: Path) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield str((Path(parent) / name).relative_to(folder))


def write_layer(layout: Layout, entries: Iterable[Entry], *, time: int, compress: bool = True) -> Layer:
    """Write a layer as a blob. `time` is the modification time of all entries, in seconds since 1970.

    Folders above an entry are added, with root as their owner.

    Raises:
        ImageError: two entries have the same name, or a file becomes shorter while it is read.
    """

    def write(archive: tarfile.TarFile) -> None:
        for entry in _complete(entries):
            add_entry(archive, entry, time)

    return layer_of(layout, write, compress=compress)


def layer_of(layout: Layout, write: Callable[[tarfile.TarFile], None], *, compress: bool = True) -> Layer:
    """Write a layer as a blob; `write` adds the entries to the tar archive."""
    with layout.writer() as blob, contextlib.ExitStack() as stack:
        file = cast("IO[bytes]", blob)
        if compress:  # the header of gzip contains neither a name nor a time
            file = cast("IO[bytes]", stack.enter_context(gzip.GzipFile("", "wb", _LEVEL, file, mtime=0)))
        plain = HashingFile(file)
        with tarfile.open(
            fileobj=cast("IO[bytes]", plain), mode="w|", format=tarfile.USTAR_FORMAT
        ) as archive:
            write(archive)
    media_type = LAYER_GZIP if compress else LAYER
    descriptor = Descriptor(media_type=media_type, digest=blob.digest, size=blob.size)
    return Layer(descriptor=descriptor, diff_id=plain.digest)


def _complete(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries and all folders above them, sorted so that a folder precedes its content."""
    by_name: dict[str, Entry] = {}
    for entry in entries:
        if entry.name in by_name and not (entry.is_folder and by_name[entry.name].is_folder):
            raise ImageError(entry.name, "two files of the layer have this path")
        by_name[entry.name] = entry
    for name in list(by_name):
        for parent in Path(name).parents:
            if str(parent) != ".":
                by_name.setdefault(str(parent), Entry(name=str(parent)))
    return sorted(by_name.values(), key=lambda entry: entry.name.split("/"))


def add_entry(archive: tarfile.TarFile, entry: Entry, time: int) -> None:
    """Write an entry to a tar archive. Raises `ImageError` if the file becomes shorter meanwhile."""
    info = tarfile.TarInfo(entry.name)
    info.mtime = time
    info.uid = info.gid = entry.uid
    info.mode = 0o755 if entry.executable or entry.is_folder else 0o644
    content: IO[bytes] | None = None
    if entry.link:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.link, 0o777
    elif entry.is_folder:
        info.type = tarfile.DIRTYPE
    elif isinstance(entry.content, Path):
        content = entry.content.open("rb")
        info.size = os.fstat(content.fileno()).st_size
    else:
        content = io.BytesIO(entry.content or b"")
        info.size = len(entry.content or b"")
    archive.format = archive_format(info)
    try:
        archive.addfile(info, content)
    except OSError as error:
        if error.errno is None:  # raised by tarfile: the file has become shorter
            raise ImageError(str(entry.content), f"the file changed while it was read: {error}") from None
        raise
    finally:
        if content:
            content.close()


def archive_format(info: tarfile.TarInfo) -> Literal[0, 2]:
    """Return the format of an entry: PAX for a long path or a large file, and otherwise USTAR."""
    try:
        info.tobuf(tarfile.USTAR_FORMAT)
    except ValueError:
        return 2  # tarfile.PAX_FORMAT
    return 0  # tarfile.USTAR_FORMAT
