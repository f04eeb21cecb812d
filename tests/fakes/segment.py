"""Create a System V shared memory segment, write its number to a file, and keep running.

The command line is `python -I -S segment.py FILE`.
"""

import ctypes
import os
import sys
import time

IPC_PRIVATE, IPC_CREAT = 0, 0o1000


def main(path: str) -> None:
    libc = ctypes.CDLL(None)
    identifier = libc.shmget(IPC_PRIVATE, 56, IPC_CREAT | 0o600)
    libc.shmat.restype = ctypes.c_void_p
    libc.shmat(identifier, None, 0)
    with open(f"{path}.new", "w", encoding="ascii") as file:  # noqa: PTH123 - no pathlib: boot fast
        file.write(str(identifier))
    os.rename(f"{path}.new", path)  # noqa: PTH104
    time.sleep(600)


if __name__ == "__main__":
    main(sys.argv[1])
