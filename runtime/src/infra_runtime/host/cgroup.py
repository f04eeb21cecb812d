"""The control group (cgroup) of a supervisor, which contains its descendants except the guardian.

The group also contains descendants with a changed session or a changed environment. Control groups are used
if version 2 is mounted and writable, and the present group has no limit. The guardian imports this module, so
the module imports as little as possible. Source: Linux kernel, "Control Group v2".
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PROCESSES = "cgroup.procs"
#: the files with a group's limits, which programs such as Java read; `max` if the group has no limit
LIMITS = ("memory.max", "cpu.max", "pids.max")
#: seconds to wait until the kernel has removed the killed processes from a group
PATIENCE = 2.0


def name(token: str) -> str:
    """Return the name of a supervisor's control group; `token` identifies the run of the supervisor."""
    return f"infra-{token}"


def planned(token: str) -> str:
    """Return the folder of the control group that `enter` will create; empty if it will not create a group.

    The new group would be below the present group of this process. If the present group has a limit, no group
    is created: a program reads only the limits of the group in which it runs, and the new group would have no
    limits.
    """
    parent = current()
    return "" if not parent or _is_limited(parent) else f"{parent}/{name(token)}"


def enter(folder: str) -> None:
    """Create the control group whose folder `planned` returned, and move this process into this group.

    If the group cannot be created, this process remains in its present group.
    """
    if folder and _try(os.mkdir, folder) and not _move_to(folder):
        _try(os.rmdir, folder)


def leave(token: str) -> None:
    """If this process is in the control group of a token, move it to the group above this control group."""
    folder = current()
    if os.path.basename(folder) == name(token):
        _move_to(os.path.dirname(folder))


def remove(token: str, folder: str = "") -> None:
    """Remove the control group of a token and the groups below it, when no process is in these groups.

    `folder` is the result of `planned`; if it is empty, the group is below this process's group. Groups that
    still contain processes after `PATIENCE` seconds are not removed.
    """
    folder = folder or f"{current()}/{name(token)}"
    deadline = time.monotonic() + PATIENCE
    while os.path.basename(folder) == name(token) and os.path.isdir(folder):
        for group, _folders, _files in os.walk(folder, topdown=False):
            _try(os.rmdir, group)
        if time.monotonic() > deadline:
            return
        time.sleep(0.001)


def contains(token: str, pid: int) -> bool:
    """Return whether a process is in the control group of a token, or in a group below this group."""
    return name(token) in _path(pid).split("/")


def _path(pid: int) -> str:
    """Return the path of a process's control group; empty if the path is unknown. Source: cgroups(7)."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            return next((line[3:].rstrip("\n") for line in file if line.startswith("0::")), "")
    except OSError:
        return ""


def current() -> str:
    """Return the folder of this process's control group; empty if control groups cannot be used."""
    path = _path(os.getpid())
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split(" ") for line in file if path and " - cgroup2 " in line]
    except OSError:
        return ""
    for mount in mounts:
        root, mount_point = mount[3], mount[4]
        if path != root and not path.startswith(root.rstrip("/") + "/"):
            continue
        folder = f"{mount_point}/{path[len(root.rstrip('/')) :].lstrip('/')}".rstrip("/")
        # In a container, the mounted folder may show other groups than the path describes.
        if _has_member(folder, os.getpid()):
            return folder
    return ""


def _is_limited(folder: str) -> bool:
    for name_of_limit in LIMITS:
        try:
            with open(f"{folder}/{name_of_limit}", encoding="ascii") as file:
                if not file.read().startswith("max"):
                    return True
        except OSError:
            continue
    return False


def _has_member(folder: str, pid: int) -> bool:
    try:
        with open(f"{folder}/{PROCESSES}", encoding="ascii") as file:
            return f"{pid}\n" in file
    except OSError:
        return False


def _move_to(folder: str) -> bool:
    try:
        with open(f"{folder}/{PROCESSES}", "w", encoding="ascii") as file:
            file.write("0")
    except OSError:
        return False
    return True


def _try(change: Callable[[str], None], folder: str) -> bool:
    try:
        change(folder)
    except OSError:
        return False
    return True
