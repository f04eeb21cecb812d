"""Trees that are copied: each gets its name when it is whole, and lies where the disk is quick."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import sys

#: GNU's cp and Apple's spell "share the blocks where the disk can" differently
COPY = ("cp", "-a", "--reflink=auto") if sys.platform == "linux" else ("cp", "-Rpc")
#: Source: <linux/fs.h>, as on x86-64 and ARM64; elsewhere the numbers mean nothing, and nothing happens
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_TOPDIR_FL = 0x80086601, 0x40086602, 0x00020000


def stage(into: str) -> str:
    """The path of a copy that is to become `into` by `settle`; its parent, `INTO.new`, is there already."""
    folder = f"{into}.new"
    os.makedirs(folder, mode=0o700)
    spread(folder)
    # The disk chooses the place by the name.
    return f"{folder}/{os.urandom(4).hex()}"


def settle(copy: str, into: str) -> None:
    """Give a copy that is whole its name; an empty folder may be in its place."""
    os.rename(copy, into)
    os.rmdir(os.path.dirname(copy))


def spread(folder: str) -> None:
    """Have the disk lay the sub-folders of a folder apart, if it can: for those that come and go.

    ext4 puts a file near its folder, and a folder near its parent. Without a journal it gives the inode of a
    removed file away only minutes later, and looks past all of those for each new file: where clusters and
    databases come and go, ten times the time of the copy itself. Source: chattr(1), attribute T; Linux,
    fs/ext4/ialloc.c, `find_group_orlov` and `recently_deleted`.
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
