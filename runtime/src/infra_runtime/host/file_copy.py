"""Copy folders: a copy gets its final name when it is complete, and ext4 stores it in a separate place."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import sys

#: command that copies a folder and shares its disk blocks if possible (GNU's option, and Apple's)
COPY = ("cp", "-a", "--reflink=auto") if sys.platform == "linux" else ("cp", "-Rpc")
#: Source: <linux/fs.h> for x86-64 and ARM64; on other processors the call fails, and the error is ignored
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_TOPDIR_FL = 0x80086601, 0x40086602, 0x00020000


def stage(into: str) -> str:
    """Create the folder `INTO.new`, and return a path in this folder for a copy.

    When the copy is complete, `publish` renames it to `into`.
    """
    folder = f"{into}.new"
    os.makedirs(folder, mode=0o700)
    spread(folder)
    # ext4 chooses the part of the disk by a hash of the name.
    return f"{folder}/{os.urandom(4).hex()}"


def publish(copy: str, into: str) -> None:
    """Rename a complete copy to its final path `into`, which may be the path of an empty folder."""
    os.rename(copy, into)
    os.rmdir(os.path.dirname(copy))


def spread(folder: str) -> None:
    """Set an attribute so that the file system ext4 places the sub-folders of a folder far apart.

    The function is for folders whose sub-folders are often removed.


    ext4 places a file near its folder, and a folder near its parent. Without a journal, ext4 does not reuse
    the inode of a removed file for minutes, and skips all such inodes for each new file. If clusters and
    databases are often created and removed in one part of the disk, this takes ten times as long as the copy
    itself. Source: chattr(1), attribute T; Linux, fs/ext4/ialloc.c, `find_group_orlov` and
    `recently_deleted`.
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
