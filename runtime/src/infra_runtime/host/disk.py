"""Write and remove files and folders.

After a kill during `write` or `discard`, either the previous or the new state remains. A removal does not
follow symbolic links. The guardian imports this module, so the module imports as little as possible.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: flags that open a folder, and fail if the path is a symbolic link
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(path: str) -> None:
    """Remove a file, a symbolic link, or a folder with its content; a missing path is ignored.

    A symbolic link is removed, and its target remains. The folder that contains `path` must not be a link;
    the folders above may be links. If this function is interrupted, a part of the folder's content remains;
    `discard` avoids this. After an `OSError`, the remaining files are removed; then the first error is
    raised, with the path in `filename`.
    """
    parent, name = os.path.split(path)
    try:
        folder = os.open(parent or ".", _FOLDER)
    except FileNotFoundError:
        return
    errors: list[OSError] = []
    try:
        _remove(name, folder, path, errors)
    finally:
        os.close(folder)
    if errors:
        raise errors[0]


def discard(path: str) -> None:
    """Remove a file or folder; at any moment, the folder at this path is complete or missing.

    The folder `NAME` is first renamed to `.NAME.removed`. If the call is interrupted, the next call for this
    path removes `.NAME.removed`. The content of a folder that cannot be renamed, such as a mount point, is
    removed.
    """
    renamed = removed_name(path)
    remove(renamed)
    if is_folder(path):
        try:
            os.rename(path, renamed)
        except OSError:
            remove(path)
        else:
            remove(renamed)
    else:
        remove(path)


def removed_name(path: str) -> str:
    """Return the temporary path, `.NAME.removed`, that a folder has while `discard` removes it."""
    parent, name = os.path.split(path)
    return os.path.join(parent, f".{name}.removed")


def set_aside(paths: Iterable[str]) -> list[str]:
    """Rename files and folders to unique names `.HEX.removed`, so that they can be removed later.

    Return the new paths. New files can be created at the previous paths at once. A path that cannot be
    renamed does not change, and is not in the result.
    """
    renamed = []
    for path in paths:
        new_path = removed_name(os.path.join(os.path.dirname(path), os.urandom(8).hex()))
        with contextlib.suppress(OSError):
            os.rename(path, new_path)
            renamed.append(new_path)
    return renamed


def is_folder(path: str) -> bool:
    """Return whether a path is a folder and not a symbolic link."""
    return _type(path) == stat.S_IFDIR


def is_file(path: str) -> bool:
    """Return whether a path is a regular file and not a symbolic link."""
    return _type(path) == stat.S_IFREG


def _type(path: str) -> int:
    try:
        return stat.S_IFMT(os.lstat(path).st_mode)
    except (OSError, ValueError):  # ValueError: the path contains a NUL
        return 0


def write(path: str, text: str, *, durable: bool) -> None:
    """Replace a file by a new file with this text; after an interrupted call, the previous file is unchanged.

    The text is written to `PATH.new`, which is then renamed. If `durable` is true, the new file survives a
    power failure.
    """
    descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        remaining_bytes = memoryview(text.encode(errors="surrogateescape"))
        while remaining_bytes:
            remaining_bytes = remaining_bytes[os.write(descriptor, remaining_bytes) :]
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(f"{path}.new", path)
    if durable:
        sync_folder(os.path.dirname(path))


def sync_folder(path: str) -> None:
    """Write the list of a folder's files to the disk, so that it survives a power failure.

    Source: fsync(2).
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file_system(path: str) -> None:
    """Write all changes in the file system of a folder to the disk. Source: syncfs(2).

    For thousands of small files, this is much faster than a call of `fsync` for each file.
    """
    if sys.platform != "linux":
        os.sync()
        return
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if libc.syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), path)
    finally:
        os.close(descriptor)


def _remove(name: str, folder: int, path: str, errors: list[OSError]) -> None:
    """Remove the file or folder `name` in the open folder `folder`; errors are appended to `errors`.

    `path` is the complete path for the errors.
    """
    try:
        if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=folder)
            return
        root = _open(name, folder)
        try:
            _empty(root, path, errors)
        finally:
            os.close(root)
        os.rmdir(name, dir_fd=folder)
    except FileNotFoundError:
        pass  # another process has removed the file or folder at the same time
    except OSError as error:
        error.filename = path
        errors.append(error)


def _empty(root: int, path: str, errors: list[OSError]) -> None:
    """Remove all files and folders in an open folder.

    Each folder below the first level is moved to the first level before its content is removed, so that at
    most two folders are open at a time, even in a deep tree.
    """
    prefix, number = os.urandom(4).hex(), 0
    pending = [(name, f"{path}/{name}") for name in _remove_files(root, path, errors)]
    while pending:
        name, shown_path = pending.pop()
        try:
            folder = _open(name, root)
            try:
                for subfolder in _remove_files(folder, shown_path, errors):
                    number += 1
                    new_name = f".{prefix}-{number}"
                    try:
                        os.rename(subfolder, new_name, src_dir_fd=folder, dst_dir_fd=root)
                    except OSError:  # a mount point, or a folder without write permission
                        _remove(subfolder, folder, f"{shown_path}/{subfolder}", errors)
                    else:
                        pending.append((new_name, f"{shown_path}/{subfolder}"))
            finally:
                os.close(folder)
            os.rmdir(name, dir_fd=root)
        except FileNotFoundError:
            pass
        except OSError as error:
            error.filename = shown_path
            errors.append(error)


def _remove_files(folder: int, path: str, errors: list[OSError]) -> list[str]:
    """Remove the files and links in an open folder, and return the names of the folders in it."""
    with os.scandir(folder) as entries:
        # The files are sorted by inode, which is their order on the disk, so that the removal is faster.
        sorted_entries = sorted(entries, key=lambda entry: entry.inode())
    names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in sorted_entries]
    for name, is_directory in names:
        if not is_directory:
            try:
                os.unlink(name, dir_fd=folder)
            except FileNotFoundError:
                pass
            except OSError as error:
                error.filename = f"{path}/{name}"
                errors.append(error)
    return [name for name, is_directory in names if is_directory]


def _open(name: str, parent: int) -> int:
    """Open the folder `name` in the open folder `parent`, and make it writable for its owner."""
    folder = os.open(name, _FOLDER, dir_fd=parent)
    mode = os.fstat(folder).st_mode
    if mode & 0o700 != 0o700:
        with contextlib.suppress(OSError):  # the removal that follows reports the error
            os.fchmod(folder, stat.S_IMODE(mode) | 0o700)
    return folder
