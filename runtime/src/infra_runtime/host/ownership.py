"""Check owners and modes, so that files, folders and sockets of other users are not used.

Every user can write to `/tmp`, and could create a file there that pytest-infra would use. Therefore, a
process uses only files that belong to its own user or to root. A process of root also uses files of the owner
of the data directory, so that `sudo infra runtime down` can stop the stack of another user.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import socket
import stat
import struct
import sys

#: the uid of accounts without a mapping in this user namespace. Source: user_namespaces(7)
OVERFLOW_UID = 65534
#: the greatest number of symbolic links in a path. Source: path_resolution(7)
LINK_LIMIT = 40
WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class OwnershipError(PermissionError):
    """The error that a path belongs to another user or that other users can change it."""

    def __init__(self, problem: str, path: str) -> None:
        super().__init__(errno.EACCES, problem, path)

    def __reduce__(self) -> tuple[type[OwnershipError], tuple[str, str]]:
        return type(self), (str(self.strerror), str(self.filename))


def trusted_uids(folder: str) -> set[int]:
    """Return the uids of the users whose files, sockets and processes are trusted in a data directory."""
    uid = os.geteuid()
    return {uid, os.stat(folder).st_uid} if uid == 0 else {uid, 0}


def user_name(uid: int) -> str:
    """Return the name and the uid of a user as text for messages, such as `alice (uid 1000)`."""
    import pwd

    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


# --- files -----------------------------------------------------------------------------------------


def open_file(path: str, flags: int, mode: int = 0o600) -> int:
    """Open a regular file that belongs to a trusted user, and return its descriptor.

    Raises `OwnershipError` if the file belongs to another user, or is a symbolic link or another kind of
    file.
    """
    try:
        # Without O_NONBLOCK, opening a pipe would wait for its other end.
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, mode)
    except OSError as error:
        _explain(error, path)
        raise
    try:
        _check_file(os.fstat(descriptor), path)
        os.set_blocking(descriptor, True)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check_file(path: str) -> None:
    """Check the owner and the type of a file like `open_file`, without opening it; it may be missing."""
    try:
        _check_file(os.lstat(path), path)
    except FileNotFoundError:
        return


def _explain(error: OSError, path: str) -> None:
    """Raise `OwnershipError` if the owner or the type of a file has caused `error`."""
    if error.errno in {errno.EACCES, errno.EPERM, errno.ELOOP, errno.EISDIR, errno.ENXIO}:
        try:
            status = os.lstat(path)
        except OSError:
            return
        _check_file(status, path)
        if status.st_uid != os.geteuid():
            raise OwnershipError(_foreign(status), path) from error


def _check_file(status: os.stat_result, path: str) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise OwnershipError(
            f"is a symbolic link, not a file, and belongs to {user_name(status.st_uid)}; remove the link",
            path,
        )
    if status.st_uid not in trusted_uids(os.path.dirname(path) or "."):
        raise OwnershipError(_foreign(status), path)
    if not stat.S_ISREG(status.st_mode):
        raise OwnershipError("is not a regular file; remove this path", path)


def _foreign(status: os.stat_result) -> str:
    owner, user = user_name(status.st_uid), user_name(os.geteuid())
    return f"belongs to {owner}, but this process runs as {user}; remove the file, or run as its owner"


def check_program(path: str) -> None:
    """Check that no other user can change a program: neither its file nor a folder above the file.

    Raises `OwnershipError` if another user can change the program, `FileNotFoundError` if the file is
    missing.
    """
    check_parents(path)
    status = os.stat(path)
    if status.st_uid not in {os.geteuid(), 0} | _root_uids():
        raise OwnershipError(f"belongs to {user_name(status.st_uid)}; remove the file", path)
    if status.st_mode & WRITABLE_BY_OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        problem = f"other users can write to this file (mode {mode:04o}); run `chmod go-w {path}`"
        raise OwnershipError(problem, path)


# --- folders ---------------------------------------------------------------------------------------


def make_private_folder(path: str, *, shared: bool = False) -> None:
    """Create a folder with the mode 0700, or check that an existing folder belongs to this user.

    The mode of an existing folder is not changed. Raises `OwnershipError` if other users have access to the
    folder; with `shared`, only if they can write to the folder.
    """
    _make_folders(os.path.dirname(path))
    check_parents(path)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        status = os.lstat(path)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            owner = user_name(status.st_uid)
            problem = f"belongs to {owner}, or is not a folder; remove this path"
            raise OwnershipError(problem, path) from None
        if status.st_mode & (WRITABLE_BY_OTHERS if shared else 0o077):
            raise OwnershipError(_open_to_others(status, path), path) from None


def _make_folders(path: str) -> None:
    """Create the missing folders of a path with the mode 0700, for any umask."""
    if not os.path.isdir(path):
        _make_folders(os.path.dirname(path))
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)


def check_folder(path: str) -> None:
    """Raise `OwnershipError` if a folder belongs to another user, or if other users can write to it.

    A process of root accepts folders of all users.
    """
    status = os.stat(path)
    if os.geteuid() not in {0, status.st_uid}:
        raise OwnershipError(_foreign(status), path)
    if status.st_mode & WRITABLE_BY_OTHERS:
        raise OwnershipError(_open_to_others(status, path), path)


def check_parents(path: str, trusted: set[int] | None = None) -> None:
    """Check each folder above a path; symbolic links are followed like in the kernel.

    Raises `OwnershipError` if a folder does not belong to a trusted user, or if other users can write to it;
    a folder of root with the sticky bit, such as `/tmp`, is accepted.
    """
    trusted = trusted or {os.geteuid(), 0}
    folder, names, links = "/", os.path.dirname(path).split("/"), 0
    _check_parent(folder, os.lstat(folder), trusted)
    while names:
        name = names.pop(0)
        if name in {"", "."}:
            continue
        child = os.path.dirname(folder) if name == ".." else f"{folder.rstrip('/')}/{name}"
        status = os.lstat(child)
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if status.st_uid not in trusted | _root_uids():
                raise OwnershipError(f"is a symbolic link that belongs to {user_name(status.st_uid)}", child)
            if links > LINK_LIMIT:
                raise OwnershipError("has too many symbolic links", path)
            target = os.readlink(child)
            folder, names = ("/" if target.startswith("/") else folder), target.split("/") + names
        else:
            _check_parent(child, status, trusted)
            folder = child


def _check_parent(folder: str, status: os.stat_result, trusted: set[int]) -> None:
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder)
    if status.st_uid not in trusted | _root_uids():
        raise OwnershipError(f"belongs to {user_name(status.st_uid)}; use another folder", folder)
    is_sticky = status.st_mode & stat.S_ISVTX and status.st_uid in _root_uids()
    if status.st_mode & WRITABLE_BY_OTHERS and not is_sticky:
        raise OwnershipError(_open_to_others(status, folder), folder)


@functools.cache
def _root_uids() -> frozenset[int]:
    """Return the uids that files of root have for this process: 0, or another uid in a user namespace."""
    try:
        with open("/proc/self/uid_map", encoding="ascii") as file:
            mapped = {int(line.split()[0]) for line in file}
    except OSError:
        return frozenset({0})
    return frozenset({0}) if 0 in mapped else frozenset({0, OVERFLOW_UID})


def _open_to_others(status: os.stat_result, path: str) -> str:
    access = "write to" if status.st_mode & WRITABLE_BY_OTHERS else "enter"
    fix = "use another folder, such as a new folder inside it"
    if status.st_uid == os.geteuid() and not status.st_mode & stat.S_ISVTX:
        fix = f"use another folder, or run `chmod go-rwx {path}`"
    return f"other users can {access} this folder (mode {stat.S_IMODE(status.st_mode):04o}); {fix}"


# --- sockets ---------------------------------------------------------------------------------------


def check_socket(path: str, trusted: set[int]) -> None:
    """Check a Unix socket and each folder above the socket.

    Raises `OwnershipError` if the socket does not belong to a trusted user, or as `check_parents` does;
    `FileNotFoundError` if the path is not a socket.
    """
    check_parents(path, trusted)
    status = os.lstat(path)
    if status.st_uid not in trusted:
        raise OwnershipError(_foreign(status), path)
    if not stat.S_ISSOCK(status.st_mode):
        raise FileNotFoundError(errno.ENOENT, "is not a socket", path)


def peer_uid(peer: socket.socket) -> int:
    """Return the uid of the process at the other end of a Unix socket.

    Source: unix(7), SO_PEERCRED with `struct ucred`; macOS <sys/un.h>, LOCAL_PEERCRED with `struct xucred`.
    """
    if sys.platform == "linux":
        credentials = struct.unpack("iII", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    else:
        local, peer_credentials = 0, 1
        credentials = struct.unpack("2I", peer.getsockopt(local, peer_credentials, 8))
    return int(credentials[1])
