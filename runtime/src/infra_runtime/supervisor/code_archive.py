"""An archive in the user's cache with the compiled code of the modules that a supervisor imports.

A supervisor imports 140 modules at its start. For each module, Python searches several folders, opens the
file with the compiled code and compares this file with the source. With the archive, Python reads only one
file, which saves a fifth of the processor time of the imports. The archive contains the path, size and
modification time of each source; if a source has changed, the archive is not used. A supervisor without a
usable archive writes a new archive after it has stopped its services.

This module is imported before all other modules, so it imports as little as possible.
"""

from __future__ import annotations

import marshal
import os
import stat
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader

TYPE_CHECKING = False  # type checkers recognise this name; the supervisor imports typing later
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from types import ModuleType
else:
    Loader = object

#: the length in bytes of the header of a file with the compiled code of a module. The header consists of four
#: numbers; the last two are the modification time and the size of the source. Source: PEP 552
_HEADER = 16
#: the first bytes of an archive: the code in the archive is valid for this version of Python only
_VERSION = sys.version.encode() + b"\n"
#: the number of archives that are not removed: each Python environment with pytest-infra has an archive of 2
#: MB
ARCHIVE_LIMIT = 5
#: one module: whether it is a package; the path, modification time (ns) and size of its source; and the
#: offsets at which its code begins and ends
_Entry = tuple[bool, str, int, int, int, int]


class Archive(Loader):
    """A finder and loader for `sys.meta_path` that imports the modules of an archive.

    If the archive cannot be used, the finder contains no modules.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._index: dict[str, _Entry] = {}
        #: the descriptor of the file, and the offset at which the code of the first module begins
        self._file, self._start = -1, 0
        try:
            self._read()
        except (OSError, ValueError, EOFError, TypeError):
            self.close()
        self.is_usable = bool(self._index)

    def _read(self) -> None:
        self._file = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        status = os.fstat(self._file)
        # The code of another user is not executed.
        if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError(self.path)
        with open(self._file, "rb", closefd=False) as file:
            if file.read(len(_VERSION)) != _VERSION:
                raise ValueError(self.path)
            index = marshal.load(file)  # noqa: S302 - only this user can write the file
            self._start = file.tell()
        for _, path, modified, size, _, end in index.values():
            source = os.stat(path)
            if (source.st_mtime_ns, source.st_size) != (modified, size) or end > status.st_size - self._start:
                raise ValueError(path)
        self._index = index

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the import specification of a module of the archive; None for other modules."""
        if (entry := self._index.get(name)) is None:
            return None
        is_package, path, *_ = entry
        spec = ModuleSpec(name, self, origin=path, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [os.path.dirname(path)]
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """Return None, so that Python creates the module.

        Source: Python documentation, `importlib.abc.Loader`.
        """

    def exec_module(self, module: ModuleType) -> None:
        """Execute the code of a module."""
        *_, start, end = self._index[module.__name__]
        content = os.pread(self._file, end - start, self._start + start)
        code = marshal.loads(content)  # noqa: S302 - only this user can write the file
        exec(code, vars(module))  # noqa: S102 - this is what an import does

    def close(self) -> None:
        """Close the file; modules are then imported as usual."""
        self._index = {}
        if self._file != -1:
            os.close(self._file)
            self._file = -1


def use(path: str) -> None:
    """Import modules from the archive at `path` in this process, but not in its forks."""
    archive = Archive(path)
    sys.meta_path.insert(0, archive)
    os.register_at_fork(after_in_child=archive.close)


def finish() -> None:
    """Close the archive at the end of the start; later imports in this process read the usual files."""
    for archive in _archives():
        archive.close()


def renew() -> None:
    """Write a new archive if the archive of this process was not usable.

    An `OSError` is ignored, because a supervisor can start without an archive.
    """
    for archive in _archives():
        if not archive.is_usable:
            try:
                write(archive.path)
            except OSError:
                continue


def _archives() -> list[Archive]:
    return [finder for finder in sys.meta_path if isinstance(finder, Archive)]


def write(path: str) -> None:
    """Write an archive with the modules that this process has imported from source files.

    Modules are omitted if Python has not cached their compiled code, or the code does not match the source.
    Raises `OSError` if the file cannot be written.
    """
    index: dict[str, _Entry] = {}
    code = bytearray()
    for name, module in tuple(sys.modules.items()):
        # `sys.modules` contains None for modules that must not be imported.
        spec = getattr(module, "__spec__", None)
        if spec is None or type(spec.loader) is not SourceFileLoader or name.startswith("__"):
            continue
        if compiled := _compiled(spec):
            source = os.stat(spec.origin)
            is_package = spec.submodule_search_locations is not None
            start = len(code)
            code += compiled
            index[name] = (
                is_package,
                spec.origin,
                source.st_mtime_ns,
                source.st_size,
                start,
                len(code),
            )
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    temporary = f"{path}.{os.getpid()}"
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
    )
    with open(descriptor, "wb") as file:
        file.write(_VERSION + marshal.dumps(index) + code)
    os.replace(temporary, path)
    _remove_old(os.path.dirname(path))


def _compiled(spec: ModuleSpec) -> bytes:
    """Return the compiled code of a module; empty if it is missing or was compiled from another source."""
    from importlib.util import MAGIC_NUMBER  # imported here, because `importlib.util` imports further modules

    try:
        source = os.stat(str(spec.origin))
        with open(str(spec.cached), "rb") as file:
            content = file.read()
    except OSError:
        return b""
    numbers = [int.from_bytes(content[offset : offset + 4], "little") for offset in range(4, _HEADER, 4)]
    expected_numbers = [0, int(source.st_mtime) & 0xFFFFFFFF, source.st_size & 0xFFFFFFFF]
    return content[_HEADER:] if content.startswith(MAGIC_NUMBER) and numbers == expected_numbers else b""


def _remove_old(folder: str) -> None:
    """Remove all files in a folder except the newest `ARCHIVE_LIMIT` files."""
    newest_first = sorted(os.scandir(folder), key=lambda entry: entry.stat().st_mtime, reverse=True)
    for entry in newest_first[ARCHIVE_LIMIT:]:
        os.unlink(entry.path)
