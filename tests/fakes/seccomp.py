"""Run a program for which the kernel forbids `unshare`, and so user namespaces, as container runtimes do.

The command line is `python seccomp.py PROGRAM [ARGUMENT…]`. The script needs root; it exits with 77 if the
filter cannot be installed.
"""

import ctypes
import os
import platform
import struct
import sys

#: unshare(2) by machine. Source: <asm/unistd.h>
UNSHARE = {"x86_64": 272, "aarch64": 97}
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2  # Source: <linux/prctl.h>, <linux/seccomp.h>
ALLOW, EPERM = 0x7FFF0000, 0x00050001
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # Source: <linux/bpf_common.h>
CANNOT = 77


def forbid_unshare() -> None:
    number = UNSHARE[platform.machine()]
    steps = [(LOAD, 0, 0, 0), (JUMP_IF_EQUAL, 0, 1, number), (RETURN, 0, 0, EPERM), (RETURN, 0, 0, ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    try:
        forbid_unshare()
    except (KeyError, OSError):
        sys.exit(CANNOT)
    os.execvp(sys.argv[1], sys.argv[1:])
