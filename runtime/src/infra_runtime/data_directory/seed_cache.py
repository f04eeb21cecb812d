"""The seeds in the user's cache: check seeds for damage, and remove seeds.

A seed is the folder `KIND-KEY`, with two files in the same cache folder. `KIND-KEY.json` is the stamp of the
seed: it describes the content, and its modification time is the time of the last use. `KIND-KEY.lock` is the
lock file: the lock is shared while a stack copies the seed, and exclusive while the seed is built or removed.

The folder `PID.new` contains the seeds that the supervisor with this pid builds; this supervisor holds the
lock of a file in the folder. If the supervisor and its guardian are killed, the next start of a stack removes
the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from typing import Any

from infra_runtime.data_directory.checksums import checksums
from infra_runtime.host import disk, file_lock
from infra_runtime.record import Record

#: the greatest total size in bytes of the seeds with a stamp after a build, apart from seeds in use; the seed
#: of a PostgreSQL cluster has 25 to 40 MB
MOST_BYTES = 2 * 2**30
BUILDING, BUILDING_LOCK = ".new", "lock"


class Tree(Record):
    """A summary of a seed's files: number, bytes, and a hash of their names, types, sizes and times."""

    files: int
    bytes: int
    digest: str


class CachedSeed(Record):
    """A seed in the user's cache, as `infra cache list` shows it."""

    name: str
    path: str
    files: int
    bytes: int
    #: the time of the last use, in Unix seconds
    used: float
    #: `ok`, `damaged`, or `incomplete` for a build that is running or was interrupted
    state: str


def building_folder(cache: str) -> str:
    """Return the folder in which this process builds seeds.

    If this process is killed, its guardian removes the folder.
    """
    return f"{cache}/{os.getpid()}{BUILDING}"


def stamp(tree: str) -> None:
    """Write the stamp of a complete seed.

    This file contains the number and total size of the seed's files, a hash of their names, sizes and times,
    and a hash of their contents. `damage` compares the last one only if it reads all files.
    """
    summary = inspect(tree)
    table = {
        "files": summary.files,
        "bytes": summary.bytes,
        "digest": summary.digest,
        "content": content(tree),
    }
    descriptor = os.open(f"{tree}.json.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        json.dump(table, file)
    os.replace(f"{tree}.json.new", f"{tree}.json")


def damage(tree: str, *, read_all: bool = False) -> str:
    """Return a text that describes the difference between a seed and its stamp; empty if they do not differ.

    Names, sizes and modification times are compared, which takes some milliseconds. With `read_all`, the
    content of all files is compared, too.
    """
    table = _stamp(tree)
    if not table:
        return "the file with the hashes of the seed is missing or cannot be read"
    try:
        current = inspect(tree)
        if current.files != table["files"]:
            return f"the seed has {current.files} files instead of {table['files']}"
        if current.bytes != table["bytes"]:
            return f"the seed has {current.bytes} bytes instead of {table['bytes']}"
        if current.digest != table["digest"]:
            return "the name, the type or the modification time of a file has changed"
        if read_all and content(tree) != table["content"]:
            return "the content of a file has changed"
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    except KeyError:
        return "the file with the hashes of the seed is incomplete"
    return ""


def mark_used(tree: str) -> None:
    """Set the time of the last use of a seed to now; the least recently used seeds are removed first."""
    with contextlib.suppress(OSError):
        os.utime(f"{tree}.json")


def inspect(tree: str) -> Tree:
    """Return the summary of a seed's files without reading their content.

    Raises `OSError` if a folder cannot be read.
    """
    lines, size, folders = [], 0, [""]
    while folders:
        folder = folders.pop()
        with os.scandir(f"{tree}/{folder}") as entries:
            for entry in entries:
                path = f"{folder}{entry.name}"
                status = entry.stat(follow_symlinks=False)
                kind = stat.S_IFMT(status.st_mode)
                if kind == stat.S_IFDIR:
                    lines.append(f"{path} {kind}")
                    folders.append(f"{path}/")
                else:
                    lines.append(f"{path} {kind} {status.st_size} {status.st_mtime_ns}")
                    size += status.st_size
    text = "\n".join(sorted(lines)).encode("utf-8", "surrogateescape")
    return Tree(len(lines), size, hashlib.sha256(text).hexdigest())


def content(tree: str) -> str:
    """Return a hash of the names and contents of all files in a seed. Raises `OSError` if a read fails."""
    return hashlib.sha256(json.dumps(checksums(tree), sort_keys=True).encode()).hexdigest()


def _stamp(tree: str) -> dict[str, Any]:
    try:
        with open(f"{tree}.json", encoding="ascii") as file:
            table = json.load(file)
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}


# --- all seeds -------------------------------------------------------------------------------------


def seeds(folder: str, *, read_all: bool = False) -> list[CachedSeed]:
    """Return the seeds in a folder of the cache, the least recently used first.

    With `read_all`, the content of all files is read to detect damage.
    """
    names = [entry.name for entry in _scanned(folder) if entry.is_dir(follow_symlinks=False)]
    return sorted((_seed(folder, name, read_all=read_all) for name in names), key=lambda seed: seed.used)


def _seed(folder: str, name: str, *, read_all: bool) -> CachedSeed:
    path = f"{folder}/{name}"
    used = 0.0
    for file in (f"{path}.json", path):
        with contextlib.suppress(OSError):
            used = used or os.stat(file).st_mtime
    try:
        tree = inspect(path)
    except OSError:
        tree = Tree(0, 0, "")
    state = (
        "incomplete" if name.endswith(BUILDING) else "damaged" if damage(path, read_all=read_all) else "ok"
    )
    return CachedSeed(name, path, tree.files, tree.bytes, used, state)


@contextlib.contextmanager
def unused(path: str) -> Iterator[bool]:
    """Lock a seed during the `with` block, unless a stack uses or builds it.

    Yield false if a stack uses or builds the seed; its lock file then remains. Otherwise, yield true: until
    the end of the block, no stack can use the seed, and the caller may remove it. Its lock file is removed
    after the block.
    """
    lock = f"{path}/{BUILDING_LOCK}" if path.endswith(BUILDING) else f"{path}.lock"
    descriptor = None
    with contextlib.suppress(FileNotFoundError):
        descriptor = file_lock.acquire(lock)
        if descriptor is None or not file_lock.is_current(descriptor, lock):
            if descriptor is not None:
                os.close(descriptor)
            yield False
            return
    try:
        yield True
    finally:
        if descriptor is not None:
            file_lock.remove(descriptor, lock)


def remove(path: str) -> bool:
    """Remove a seed and its stamp; return whether they were removed: a seed in use is not removed."""
    with unused(path) as free:
        if free:
            remove_stamp(path)
            with contextlib.suppress(OSError):
                disk.remove(path)
    return free and not os.path.lexists(path)


def remove_stamp(tree: str) -> None:
    """Remove the stamp of a seed; a seed without a stamp is damaged, so no stack uses it."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{tree}.json")


def interrupted(folder: str) -> list[str]:
    """Rename the folders of interrupted builds, so that no build uses them; return their new paths.

    The caller removes these folders. The result also contains folders whose removal was interrupted.
    """
    paths = []
    for entry in _scanned(folder):
        if entry.name.endswith(BUILDING):
            with unused(entry.path) as free:
                paths += disk.set_aside([entry.path] if free else [])
        elif entry.name.startswith("."):  # only `set_aside` creates such names
            paths.append(entry.path)
    return paths


def victims(folder: str, most_bytes: int = MOST_BYTES) -> list[str]:
    """Return the folders of the seeds to remove from the cache: the least recently used seeds.

    The total size of the other seeds with a stamp is at most `most_bytes`. The sizes are read from the
    stamps, so the call takes less than a millisecond. Seeds without a stamp are neither counted nor in the
    result: they belong to an earlier version of pytest-infra, which may be using them.
    """
    paths, stamped_seeds = [], []
    for entry in _scanned(folder):
        if size := _stamp(entry.path).get("bytes"):
            with contextlib.suppress(OSError):
                stamped_seeds.append((os.stat(f"{entry.path}.json").st_mtime, entry.path, size))
    total = sum(size for _, _, size in stamped_seeds)
    for _, path, size in sorted(stamped_seeds):
        if total <= most_bytes:
            break
        paths.append(path)
        total -= size
    return paths


def _scanned(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
