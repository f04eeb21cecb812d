"""Compute the checksums of a snapshot's files, and compare them with a copy of the snapshot.

The supervisor has only one thread, and hashing reads every file. Therefore, the supervisor runs `main` of
this module in another process.
"""

from __future__ import annotations

import json
import os
import stat
import sys

from infra_runtime.host import disk

#: the name of the file in a snapshot's folder that describes the snapshot
DESCRIPTION = "snapshot.json"
#: the field of the description that maps each path to its checksum
FILES = "files"
#: the length of a hash in bytes, which is enough to detect accidental changes
HASH_BYTES = 16


def checksums(folder: str) -> dict[str, str]:
    """Return a mapping from each path below a folder to its checksum.

    The checksum of a file is `SIZE HASH`, of a folder `folder`, of a symbolic link `link TARGET`, and of
    another file `type MODE`.
    """
    sums: dict[str, str] = {}
    pending_folders = [""]
    while pending_folders:
        parent = pending_folders.pop()
        with os.scandir(f"{folder}/{parent}") as entries:
            for entry in entries:
                path = f"{parent}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    sums[path] = "folder"
                    pending_folders.append(f"{path}/")
                elif entry.is_symlink():
                    sums[path] = f"link {os.readlink(entry.path)}"
                elif entry.is_file(follow_symlinks=False):
                    sums[path] = _checksum(entry.path)
                else:
                    sums[path] = f"type {stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode):o}"
    return sums


def _checksum(path: str) -> str:
    import hashlib  # imported here because it takes 3 ms, and a supervisor must start fast

    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        size, digest = 0, hashlib.blake2b(digest_size=HASH_BYTES)
        while block := os.read(descriptor, 1 << 18):
            size += len(block)
            digest.update(block)
    finally:
        os.close(descriptor)
    return f"{size} {digest.hexdigest()}"


def seal(snapshot: str, *, durable: bool) -> None:
    """Write the checksums of a snapshot's files to the file that describes the snapshot.

    If `durable` is true, the function returns when the complete snapshot is on the disk, so that it survives
    a power failure. Raises `OSError` if a file cannot be read or written.
    """
    path = f"{snapshot}/{DESCRIPTION}"
    with open(path, encoding="utf-8") as file:
        description = json.load(file)
    description[FILES] = checksums(f"{snapshot}/services")
    disk.write(path, json.dumps(description, separators=(",", ":")), durable=False)
    if durable:
        disk.sync_file_system(snapshot)


def difference(snapshot: str, copy: str, *, durable: bool) -> str:
    """Return the first difference between a copy of a snapshot's files and the snapshot's checksums.

    The result is a text that begins with the path of a file in the snapshot's folder; it is empty if the copy
    is correct. If `durable` is true, the function returns when the correct copy is on the disk, so that it
    survives a power failure.
    """
    try:
        with open(f"{snapshot}/{DESCRIPTION}", encoding="utf-8") as file:
            sealed_checksums = json.load(file)[FILES]
        sealed = dict(sealed_checksums)
    except (OSError, ValueError, KeyError, TypeError):
        return f"{DESCRIPTION} contains no checksums"
    copy_checksums = checksums(copy)
    for path in sorted(sealed.keys() | copy_checksums.keys()):
        if path not in copy_checksums:
            return f"services/{path} is missing"
        if path not in sealed:
            return f"services/{path} was added after the snapshot was saved"
        if sealed[path] != copy_checksums[path]:
            return f"services/{path} has changed since the snapshot was saved"
    if durable:
        disk.sync_file_system(copy)
    return ""


def command(*arguments: str) -> tuple[str, ...]:
    """Return the command line that calls `main` of this module with these arguments in a new process."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = f"import sys; sys.path.insert(0, {root!r}); "
    code += "from infra_runtime.data_directory.checksums import main; main(sys.argv[1:])"
    return (sys.executable, "-I", "-S", "-c", code, *arguments)


def main(arguments: list[str]) -> None:
    """Run one of the commands `seal`, `check` and `remove`, which is the first argument.

    - `seal SNAPSHOT DURABLE` writes the checksums of a snapshot to the snapshot's description.
    - `check SNAPSHOT COPY ANSWER DURABLE` compares a copy with the checksums, and writes the difference to
      the file ANSWER.
    - `remove PATH …` removes folders.

    DURABLE is `1` (true) or `0` (false).
    """
    match arguments:
        case ["seal", snapshot, durable]:
            seal(snapshot, durable=durable == "1")
        case ["check", snapshot, copy, answer, durable]:
            disk.write(answer, difference(snapshot, copy, durable=durable == "1"), durable=False)
        case ["remove", *paths]:
            for path in paths:
                try:
                    disk.remove(path)
                except OSError as error:
                    print(error, file=sys.stderr)
        case _:
            raise ValueError(arguments)
