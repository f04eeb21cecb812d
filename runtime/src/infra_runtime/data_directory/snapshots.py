"""Find, describe, publish and remove the snapshots in a data directory; this needs no running stack.

A new snapshot replaces an earlier snapshot `NAME` by two renames: first, `NAME` is renamed to `.NAME.old`,
and then the new folder to `NAME`. While `NAME` is missing, `.NAME.old` is the snapshot, so that either the
earlier or the new snapshot exists after a kill at any moment. `.NAME.new` contains a snapshot that is being
saved, `.NAME.removed` a snapshot that is being removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from dataclasses import replace

from infra_runtime.data_directory.checksums import DESCRIPTION
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import SnapshotError
from infra_runtime.host import disk
from infra_runtime.message import MessageError, decode
from infra_runtime.messages import DamagedSnapshot, Snapshot

#: the version of a snapshot's files; checksums were added in version 2
FORMAT = 2
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
#: the pattern of the names of folders that remain after an interrupted save, replacement or removal
_LEFTOVER = rf"\.({_NAME})\.(new|old|removed)"


def folder_of(paths: Paths, name: str) -> str:
    """Return the path of a snapshot's folder, even if the folder does not exist.

    Raises `SnapshotError` if the name is invalid, or if `snapshots` is a file or a symbolic link: the target
    of a link is not part of the data directory.
    """
    if not re.fullmatch(_NAME, name):
        reason = (
            "a name has at most 64 characters: letters, digits, dots, dashes and underscores; the first is"
        )
        raise SnapshotError(name, f"{reason} a letter or a digit")
    root = f"{paths.data}/snapshots"
    if os.path.lexists(root) and not disk.is_folder(root):
        raise SnapshotError(
            name, f"{root} is not a folder but a file or a symbolic link; remove this file or link"
        )
    return f"{root}/{name}"


def describe(paths: Paths, name: str) -> tuple[str, Snapshot]:
    """Return the folder and the description of a snapshot.

    Raises `SnapshotError` if the snapshot does not exist or is damaged.
    """
    folder = folder_of(paths, name)
    earlier = _old(folder)
    # A supervisor may replace the snapshot at this moment.
    for candidate in (folder, earlier, folder):
        if os.path.lexists(candidate):
            return candidate, _description(candidate, name)
    raise SnapshotError(name, "the snapshot does not exist")


def _description(folder: str, name: str) -> Snapshot:
    hint = f"Remove the snapshot with `infra runtime snapshot remove {name}`."
    if not disk.is_folder(folder):
        kind = "a symbolic link" if os.path.islink(folder) else "a file"
        raise SnapshotError(name, f"{folder} is {kind} and not the folder of a snapshot", hint)
    path = f"{folder}/{DESCRIPTION}"
    if not disk.is_file(path):
        raise SnapshotError(name, f"the snapshot is damaged: {DESCRIPTION} is missing or not a file", hint)
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        snapshot = replace(decode(Snapshot, data), name=name)  # the folder could have been renamed
        time.localtime(snapshot.time)
    except OSError as error:
        raise SnapshotError(name, f"{path}: {error.strerror}", hint) from error
    except MessageError as error:
        raise SnapshotError(name, f"the snapshot is damaged: {DESCRIPTION}: {error}", hint) from error
    except OverflowError as error:
        raise SnapshotError(name, f"the snapshot is damaged: {DESCRIPTION}: time: {error}", hint) from error
    except (ValueError, RecursionError) as error:
        raise SnapshotError(
            name, f"the snapshot is damaged: {DESCRIPTION} is not JSON: {error}", hint
        ) from error
    if snapshot.format != FORMAT:
        reason = f"the format of its files is {snapshot.format}; this version of pytest-infra reads {FORMAT}"
        raise SnapshotError(name, reason, hint)
    for service in snapshot.services:
        if not disk.is_folder(f"{folder}/services/{service}"):
            raise SnapshotError(
                name, f"the snapshot is damaged: services/{service} is missing or not a folder", hint
            )
    return snapshot


def known(paths: Paths) -> list[Snapshot]:
    """Return the descriptions of all snapshots that are not damaged, oldest first."""
    return listing(paths)[0]


def listing(paths: Paths) -> tuple[list[Snapshot], list[DamagedSnapshot]]:
    """Return the intact snapshots, oldest first, and the damaged snapshots in the order of their names.

    Raises `SnapshotError` if `snapshots` is a file or a symbolic link.
    """
    root = os.path.dirname(folder_of(paths, "default"))
    names = set()
    with contextlib.suppress(FileNotFoundError):
        for entry in os.listdir(root):
            leftover = re.fullmatch(_LEFTOVER, entry)
            if leftover and leftover[2] == "old":
                names.add(leftover[1])
            elif re.fullmatch(_NAME, entry):
                names.add(entry)
    snapshots, damaged = [], []
    for name in sorted(names):
        try:
            snapshots.append(describe(paths, name)[1])
        except SnapshotError as error:
            damaged.append(DamagedSnapshot(name=name, reason=error.reason))
    return sorted(snapshots, key=lambda snapshot: snapshot.time), damaged


def remove(paths: Paths, name: str) -> Snapshot | DamagedSnapshot:
    """Remove a snapshot, which may be damaged, and return its description.

    Raises `SnapshotError` if the snapshot does not exist, or if a file cannot be removed.
    """
    folder = folder_of(paths, name)
    if not os.path.lexists(folder) and not os.path.lexists(_old(folder)):
        raise SnapshotError(name, "the snapshot does not exist")
    removed: Snapshot | DamagedSnapshot
    try:
        removed = describe(paths, name)[1]
    except SnapshotError as error:
        removed = DamagedSnapshot(name=name, reason=error.reason)
    try:
        if os.path.lexists(folder):
            disk.remove(_old(folder))  # first: while `NAME` is missing, `.NAME.old` is the snapshot
            disk.discard(folder)
        else:
            disk.discard(_old(folder))
    except OSError as error:
        raise SnapshotError(
            name, f"the snapshot cannot be removed: {error.filename}: {error.strerror}"
        ) from error
    return removed


def publish(staged: str, folder: str, *, durable: bool) -> None:
    """Rename a complete snapshot to its final path, and an earlier snapshot with this name to `.NAME.old`.

    Raises `OSError` if this fails; the earlier snapshot then remains unchanged.
    """
    earlier = _old(folder)
    if os.path.lexists(folder):
        disk.remove(earlier)
        os.rename(folder, earlier)
    try:
        os.rename(staged, folder)
        if durable:
            disk.sync_folder(os.path.dirname(folder))
    except OSError:
        if os.path.lexists(folder):
            os.rename(folder, staged)
        if os.path.lexists(earlier):
            os.rename(earlier, folder)
        raise


def leftovers(paths: Paths) -> list[str]:
    """Return the folders that remain of saves, replacements and removals; the caller may remove them.

    If `NAME` is missing, the earlier snapshot `.NAME.old` is renamed to `NAME`, and is not in the result.
    """
    root = f"{paths.data}/snapshots"
    if not disk.is_folder(root):
        return []
    removable = []
    for entry in sorted(os.listdir(root)):
        if leftover := re.fullmatch(_LEFTOVER, entry):
            name, kind = leftover.groups()
            if kind == "old" and not os.path.lexists(f"{root}/{name}"):
                os.rename(f"{root}/{entry}", f"{root}/{name}")
            else:
                removable.append(f"{root}/{entry}")
    return removable


def _old(folder: str) -> str:
    parent, name = os.path.split(folder)
    return f"{parent}/.{name}.old"
