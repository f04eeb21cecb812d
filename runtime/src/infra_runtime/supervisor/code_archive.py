"""An archive in the user's cache with the compiled code of the modules that a supervisor imports.

A start of a supervisor imports 140 modules. For each of them, Python searches several folders, opens a file
and compares it with the source. With the archive, one file is read, which saves a fifth of the processor time
of the imports. The archive contains path, size and modification time of each source, and is not used if one
of them has changed. When a supervisor without a usable archive has ended its services, it writes a new one.

This module is imported before all others, so it imports as little as possible.
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

#: the bytes before the code in a file with the compiled code of a module; the size and the modification time
#: of the source are the last two of four numbers. Source: PEP 552
_HEADER = 16
#: the beginning of an archive: another Python may have other instructions
_VERSION = sys.version.encode() + b"\n"
#: the number of archives that are kept: each environment with pytest-infra has one, of 2 MB
KEPT = 5
#: a module: whether it is a package, the path, modification time (ns) and size of its source, and the start
#: and end of its code
_Entry = tuple[bool, str, int, int, int, int]


class Archive(Loader):
    """The modules of an archive, for `sys.meta_path`; empty if the archive cannot be used."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._index: dict[str, _Entry] = {}
        #: the descriptor of the file, and the place at which the code of the first module begins
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
        """Return how to import a module of the archive; None for other modules."""
        if (entry := self._index.get(name)) is None:
            return None
        is_package, path, *_ = entry
        spec = ModuleSpec(name, self, origin=path, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [os.path.dirname(path)]
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python create the module, as the interface of loaders requires."""

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
    """End the use of the archive after the imports of a process."""
    for archive in _archives():
        archive.close()


def renew() -> None:
    """Write the archive of this process if it was not usable. An `OSError` is ignored: it is only a cache."""
    for archive in _archives():
        if not archive.is_usable:
            try:
                write(archive.path)
            except OSError:
                continue


def _archives() -> list[Archive]:
    return [finder for finder in sys.meta_path if isinstance(finder, Archive)]


def write(path: str) -> None:
    """Write an archive with all modules that this process has imported from source files.

    Raises `OSError`.
    """
    index: dict[str, _Entry] = {}
    code = bytearray()
    for name, module in tuple(sys.modules.items()):
        spec = getattr(module, "__spec__", None)  # None prevents the import of a module
        if spec is None or type(spec.loader) is not SourceFileLoader or name.startswith("__"):
            continue
        if compiled := _compiled(spec):
            source = os.stat(spec.origin)
            is_package = spec.submodule_search_locations is not None
            start = len(code)
            code += compiled
            place = start, len(code)
            index[name] = (is_package, spec.origin, source.st_mtime_ns, source.st_size, *place)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    new = f"{path}.{os.getpid()}"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(_VERSION + marshal.dumps(index) + code)
    os.replace(new, path)
    _remove_old(os.path.dirname(path))


def _compiled(spec: ModuleSpec) -> bytes:
    """Return the compiled code of a module; empty if it is missing, or not of the present source."""
    from importlib.util import MAGIC_NUMBER  # imported here, because it needs further modules

    try:
        source = os.stat(str(spec.origin))
        with open(str(spec.cached), "rb") as file:
            content = file.read()
    except OSError:
        return b""
    words = [int.from_bytes(content[at : at + 4], "little") for at in range(4, _HEADER, 4)]
    expected = [0, int(source.st_mtime) & 0xFFFFFFFF, source.st_size & 0xFFFFFFFF]
    return content[_HEADER:] if content.startswith(MAGIC_NUMBER) and words == expected else b""


def _remove_old(folder: str) -> None:
    """Remove all files in a folder except the newest."""
    files = sorted(os.scandir(folder), key=lambda entry: entry.stat().st_mtime, reverse=True)
    for entry in files[KEPT:]:
        os.unlink(entry.path)
