"""The checksums of the files in a snapshot, and their comparison with a copy of the snapshot.

Hashing reads every file, and the supervisor has only one thread. Therefore the supervisor runs `main` of this
module in another process.
"""

from __future__ import annotations

import json
import os
import stat
import sys

from infra_runtime.host import disk

#: the file in a snapshot's folder that describes the snapshot
DESCRIPTION = "snapshot.json"
#: the field of the description that maps each path to its checksum
FILES = "files"
#: the length of a hash in bytes; enough to detect every accidental change
HASH_BYTES = 16


def checksums(folder: str) -> dict[str, str]:
    """Return a mapping from each path below a folder to its checksum.

    The checksum of a file is `SIZE HASH`, of a folder `folder`, and of a symlink `link TARGET`.
    """
    sums: dict[str, str] = {}
    waiting = [""]
    while waiting:
        parent = waiting.pop()
        with os.scandir(f"{folder}/{parent}") as entries:
            for entry in entries:
                path = f"{parent}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    sums[path] = "folder"
                    waiting.append(f"{path}/")
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

    If `durable` is true, the complete snapshot is then on the disk and survives a power failure. Raises
    `OSError`.
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

    The result is a string that begins with the path of the file in the snapshot's folder; it is empty if the
    copy is correct. If `durable` is true, a correct copy is then on the disk and survives a power failure.
    """
    try:
        with open(f"{snapshot}/{DESCRIPTION}", encoding="utf-8") as file:
            expected = json.load(file)[FILES]
        sealed = dict(expected)
    except (OSError, ValueError, KeyError, TypeError):
        return f"{DESCRIPTION} contains no checksums"
    existing = checksums(copy)
    for path in sorted(sealed.keys() | existing.keys()):
        if path not in existing:
            return f"services/{path} is missing"
        if path not in sealed:
            return f"services/{path} was added after the snapshot was taken"
        if sealed[path] != existing[path]:
            return f"services/{path} has changed since the snapshot was taken"
    if durable:
        disk.sync_file_system(copy)
    return ""


def command(*arguments: str) -> tuple[str, ...]:
    """Return the command line of a new process that calls `main` of this module with these arguments."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = f"import sys; sys.path.insert(0, {root!r}); "
    code += "from infra_runtime.data_directory.checksums import main; main(sys.argv[1:])"
    return (sys.executable, "-I", "-S", "-c", code, *arguments)


def main(arguments: list[str]) -> None:
    """Run the command in `arguments`: `seal`, `check` or `remove`, with their arguments.

    `seal SNAPSHOT DURABLE` adds the checksums to a snapshot. `check SNAPSHOT COPY ANSWER DURABLE` compares a
    copy with the checksums and writes the difference to the file ANSWER. `remove PATH …` removes folders.
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
