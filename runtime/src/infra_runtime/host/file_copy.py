"""Copy folders; a complete copy is renamed to its final name, and ext4 stores copies far from each other."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import struct
import sys
from collections.abc import Callable
from typing import TypeAlias

#: the command that copies a folder and shares its disk blocks if possible, with GNU's or Apple's options
COPY = ("cp", "-a", "--reflink=auto") if sys.platform == "linux" else ("cp", "-Rpc")
#: a function that copies bytes from one descriptor to another descriptor, and returns their number: 0 at the
#: end of the file
Transfer: TypeAlias = Callable[[int, int], int]
#: the permissions that the file mode creation mask of a process can remove from new files
OTHERS = stat.S_IRWXG | stat.S_IRWXO
#: the greatest number of bytes that one system call copies
LARGEST_TRANSFER = 1 << 30
#: Source: <linux/fs.h> for x86-64 and ARM64; on other processors the call fails, and the error is ignored
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_TOPDIR_FL = 0x80086601, 0x40086602, 0x00020000


def stage(target: str) -> str:
    """Create the folder `TARGET.new`, and return a path in this folder for a copy.

    When the copy is complete, `publish` renames it to `target`.
    """
    folder = f"{target}.new"
    os.makedirs(folder, mode=0o700)
    spread(folder)
    # ext4 selects the area of the disk by a hash of the name.
    return f"{folder}/{os.urandom(4).hex()}"


def publish(copy: str, target: str) -> None:
    """Rename a complete copy to its final path `target`, at which an empty folder may exist."""
    os.rename(copy, target)
    os.rmdir(os.path.dirname(copy))


def copy(tree: str, to: str) -> None:
    """Copy a folder to the new path `to`; on Linux, times and owners of files are not copied.

    The copy shares disk blocks with the folder if possible. On Linux, this needs half of the processor time
    of `cp`, which reads the attributes, the holes and the access rules of each file. On other systems, `cp`
    copies the folder. Raises `OSError` if a file cannot be copied, or is neither a regular file nor a folder
    nor a link.
    """
    if sys.platform != "linux":
        import subprocess

        status = subprocess.run([*COPY, tree, to], check=False).returncode
        if status != 0:
            raise OSError(errno.EIO, f"{COPY[0]} exited with status {status}", tree)
        return
    transfer: Transfer = _share
    folders = [(tree, to)]
    while folders:
        source, target = folders.pop()
        permissions = stat.S_IMODE(os.stat(source).st_mode)
        os.mkdir(target, permissions)
        if permissions & OTHERS:
            os.chmod(target, permissions)
        with os.scandir(source) as entries:
            for entry in entries:
                path, status = f"{target}/{entry.name}", entry.stat(follow_symlinks=False)
                mode = status.st_mode
                if stat.S_ISDIR(mode):
                    folders.append((entry.path, path))
                elif stat.S_ISLNK(mode):
                    os.symlink(os.readlink(entry.path), path)
                elif stat.S_ISREG(mode):
                    transfer = _copy_file(entry.path, path, status, transfer)
                else:
                    raise OSError(errno.EINVAL, "not a regular file", entry.path)


def _copy_file(source: str, target: str, status: os.stat_result, transfer: Transfer) -> Transfer:
    """Copy a file with the function `transfer`; return the function for the next file.

    If `transfer` fails because disk blocks cannot be shared, the result is another function. `status` is the
    status of the source; its size makes the system call for the end of the file unnecessary.
    """
    reader = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        permissions = stat.S_IMODE(status.st_mode)
        writer = os.open(target, flags, permissions)
        try:
            if permissions & OTHERS:
                os.fchmod(writer, permissions)
            _transfer_all(transfer, reader, writer, status.st_size)
        except OSError:
            if transfer is not _share:
                raise
            transfer = _send
            _transfer_all(transfer, reader, writer, status.st_size)
        finally:
            os.close(writer)
    finally:
        os.close(reader)
    return transfer


def _transfer_all(transfer: Transfer, reader: int, writer: int, size: int) -> None:
    while size > 0 and (copied := transfer(reader, writer)):
        size -= copied


def _share(reader: int, writer: int) -> int:
    """Copy bytes from one file to another file; return the number of copied bytes.

    The files share disk blocks if they are in one file system that supports this. Source: copy_file_range(2).
    """
    return os.copy_file_range(reader, writer, LARGEST_TRANSFER)


def _send(reader: int, writer: int) -> int:
    return os.sendfile(writer, reader, None, LARGEST_TRANSFER)


def spread(folder: str) -> None:
    """Set an attribute so that the file system ext4 stores the subfolders of a folder far from each other.

    This is useful for folders whose subfolders are often removed. ext4 stores a file near its folder, and a
    folder near its parent. Without a journal, ext4 does not reuse the inode of a removed file for minutes,
    and skips all these inodes for each new file. If PostgreSQL clusters are often created and removed in one
    area of the disk, the search for unused inodes takes ten times as long as the copy itself. Source:
    chattr(1), attribute T; Linux, fs/ext4/ialloc.c, `find_group_orlov` and `recently_deleted`.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):  # another file system, or another user's folder
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            (flags,) = struct.unpack("l", fcntl.ioctl(descriptor, FS_IOC_GETFLAGS, bytes(8)))
            fcntl.ioctl(descriptor, FS_IOC_SETFLAGS, struct.pack("l", flags | FS_TOPDIR_FL))
        finally:
            os.close(descriptor)
