"""Start programs that refuse to run as root, such as PostgreSQL, in a user namespace or as another user."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Sequence

CLONE_NEWUSER, CLONE_NEWIPC = 0x10000000, 0x08000000  # Source: <linux/sched.h>
PR_SET_CHILD_SUBREAPER = 36  # Source: <linux/prctl.h>
PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 8, 47, 2
CAPABILITY_VERSION_3, CAP_DAC_OVERRIDE = 0x20080522, 1  # Source: <linux/capability.h>
#: the uid, inside the user namespace, of a process that is root outside; any number except 0 is possible
INNER_UID = 1000
#: the uid of the account without privileges. Source: systemd, "Users, Groups, UIDs and GIDs"
UNPRIVILEGED = 65534


@functools.cache
def _libc() -> object:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    import ctypes

    if getattr(_libc(), name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def become_subreaper() -> None:
    """Configure this process as a subreaper: the new parent of each descendant whose own parent exits.

    On systems other than Linux, the function has no effect.
    """
    if sys.platform == "linux":
        _call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def enter_user_namespace() -> None:
    """Enter a user namespace in which this process is not root, for programs that refuse to run as root.

    Outside of the namespace, the files of the process belong to root. The process also enters a new IPC
    namespace: the kernel removes PostgreSQL's System V segment together with this namespace, even after
    SIGKILL. Source: user_namespaces(7), "Defining user and group ID mappings".
    """
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", CLONE_NEWUSER | CLONE_NEWIPC)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{INNER_UID} {uid} 1"),
        ("gid_map", f"{INNER_UID} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


@functools.cache
def user_namespaces_work() -> bool:
    """Return whether a child process can create a user namespace, which container runtimes can forbid."""
    if sys.platform != "linux":
        return False
    _libc()
    pid = os.fork()
    if pid == 0:
        try:
            enter_user_namespace()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a forked child must never return into the parent's code
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def other_user() -> tuple[int, int]:
    """Return the uid (65534) and gid of the account without privileges, for programs that refuse root."""
    import pwd

    try:
        entry = pwd.getpwuid(UNPRIVILEGED)
    except KeyError:
        return UNPRIVILEGED, UNPRIVILEGED
    return entry.pw_uid, entry.pw_gid


def switch_user(uid: int, gid: int) -> None:
    """Switch this process to another user, but keep the capability of root to access all files and folders.

    The capability is necessary because the folders of the stack, and often the folders above the checkout,
    have the mode 0700. It is an ambient capability, so that the process has it after `exec`, too. If root
    does not have the capability, as in some containers, the process continues without it. Source:
    capabilities(7), "Transformation of capabilities during execve()".
    """
    import ctypes

    if sys.platform == "linux":
        _call("prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if sys.platform == "linux":
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        bits = 1 << CAP_DAC_OVERRIDE
        # Effective, permitted, inheritable; then the higher bits.
        sets = (ctypes.c_uint32 * 6)(bits, bits, bits)
        with contextlib.suppress(OSError):
            _call("capset", header, sets)
            _call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def give_to_other_user(folders: Sequence[str]) -> None:
    """Change the owner of folders so that programs that refuse to run as root can use them.

    The function has no effect if this process does not run as root. Without user namespaces, the new owner is
    `other_user`. With user namespaces, the new owner is root, because a process in the namespace cannot open
    files of other users; the folders can contain such files from an earlier run without user namespaces.
    """
    if os.geteuid() != 0:
        return
    in_namespace = user_namespaces_work()
    uid, gid = (os.geteuid(), os.getegid()) if in_namespace else other_user()
    for folder in folders:
        if in_namespace and not _contains_foreign(folder, uid):
            continue
        for parent, directories, files in os.walk(folder):
            for path in [parent, *(os.path.join(parent, name) for name in directories + files)]:
                os.chown(path, uid, gid, follow_symlinks=False)


def _contains_foreign(folder: str, uid: int) -> bool:
    """Return whether a folder, or an entry directly in this folder, has another owner than `uid`."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        owners = {os.lstat(folder).st_uid, *(entry.stat(follow_symlinks=False).st_uid for entry in entries)}
        return owners != {uid}
    return False
