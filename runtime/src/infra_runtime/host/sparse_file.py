"""Files with a hole at the beginning: the hole needs no disk space, and later bytes keep their offsets.

These file systems support holes: ext4, XFS, Btrfs, tmpfs, and overlayfs on one of them. Source: fallocate(2),
lseek(2).
"""

from __future__ import annotations

import errno
import os
import sys

KEEP_SIZE, PUNCH_HOLE = 1, 2  # Source: <linux/falloc.h>
BLOCK = 65536


def punch(descriptor: int, length: int) -> None:
    """Free the disk space of the first `length` bytes of a file; these bytes are then read as zeros.

    Raises `OSError` if the file system does not support holes.
    """
    import ctypes

    function = getattr(ctypes.CDLL(None, use_errno=True), "fallocate64", None)
    if sys.platform != "linux" or function is None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
    if function(descriptor, PUNCH_HOLE | KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(length)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def first_data(descriptor: int, offset: int = 0) -> int:
    """Return the offset of the first byte of a file, at or after `offset`, that is not zero.

    If all bytes are zero, return the size of the file. The content of a hole is not read.
    """
    size = os.fstat(descriptor).st_size
    while offset < size:
        if hasattr(os, "SEEK_DATA"):
            try:
                offset = os.lseek(descriptor, offset, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # the file consists of a hole from `offset` to the end
                    return size
        block = os.pread(descriptor, BLOCK, offset)
        if content := block.lstrip(b"\0"):
            return offset + len(block) - len(content)
        offset += max(len(block), 1)
    return size
