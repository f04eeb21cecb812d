"""An audit log whose entries are chained by hashes, so that a later change of an entry is detected.

The log has one JSON object per line. Each entry contains its number, the hash of the previous entry and its
own hash. The file `NAME.head` beside the log contains the number and the hash of the last entry, and a hash
of these two values, so that a truncation of the log is also detected. With a key, the hashes are HMACs, which
a program without the key cannot create.

This module uses the standard library only, so that `infra dev audit verify` needs no extra.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import hmac
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from infra_runtime.errors import ConfigurationError, IntegrityError
from infra_runtime.value import frozen
from infra_runtime.web.context import request_id

if TYPE_CHECKING:
    from infra_runtime.web.settings import WebSettings

#: the value that the first entry contains instead of the hash of a previous entry
ORIGIN = "0" * 64
#: the largest size of an entry in bytes
MAX_ENTRY = 65_536


class AuditError(IntegrityError):
    """An audit log or its `NAME.head` was changed, or the key is wrong; `line` is the first wrong line."""

    def __init__(self, path: str, line: int, reason: str) -> None:
        super().__init__(path, f"line {line}: {reason}", "The entries before this line are unchanged.")
        self.args = (path, line, reason)
        self.line = line


@frozen
class Head:
    """The number of entries of an audit log, and the hash of the last entry."""

    entries: int
    hash: str


class AuditLog:
    """Appends entries to an audit log; several processes can write to the same log."""

    def __init__(self, path: Path, *, key: str = "", clock: Callable[[], float] = time.time) -> None:
        self.path, self._key, self._clock = path, key.encode(), clock
        self._lock = threading.Lock()
        #: the head after the last entry of this process, and the size of the file; other processes can have
        #: written more entries since then
        self._last, self._size = Head(entries=0, hash=ORIGIN), -1

    @classmethod
    def from_settings(cls, settings: WebSettings) -> Self:
        """Return the audit log that the settings name; raise `ConfigurationError` if they name no file."""
        if settings.audit_file is None:
            hint = "The page docs/reference/web.md describes the settings."
            raise ConfigurationError(
                "the setting `audit_file` (the file of the audit log) is missing", "WEB_AUDIT_FILE", hint
            )
        key = settings.audit_key
        return cls(settings.audit_file, key=key.get_secret_value() if key else "")

    async def record(self, action: str, *, actor: str = "", **details: object) -> None:
        """Append an entry; return when the entry is on the disk. Raises the errors of `append`."""
        await asyncio.to_thread(self.append, action, actor=actor, **details)

    def append(self, action: str, *, actor: str = "", **details: object) -> Head:
        """Append an entry, and return the new head. Values that are not JSON are stored as strings.

        Raises `ValueError` if the entry has more than `MAX_ENTRY` bytes, and `AuditError` if the end of the
        log was changed. The end is checked only if the size of the log has changed since the last entry of
        this process.
        """
        with self._lock, self._opened() as descriptor:
            last_head = self._last_entry(descriptor)
            fields = {
                "number": last_head.entries + 1,
                "time": datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="microseconds"),
                "actor": actor,
                "action": action,
                "request": request_id.get(),
                "details": json.loads(json.dumps(details, default=str)),
                "previous": last_head.hash,
            }
            head = Head(entries=last_head.entries + 1, hash=digest(fields, self._key))
            line = json.dumps({**fields, "hash": head.hash}, ensure_ascii=True).encode() + b"\n"
            if len(line) > MAX_ENTRY:
                raise ValueError(f"the entry has {len(line)} bytes, but the limit is {MAX_ENTRY} bytes")
            _write_all(descriptor, line)
            os.fsync(descriptor)
            _write_head(self.path, head, self._key)
            self._last, self._size = head, os.fstat(descriptor).st_size
            return head

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """Open the file for one entry, and lock it against other processes."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    def _last_entry(self, descriptor: int) -> Head:
        """Return the number and the hash of the last entry, even if another process has written this entry.

        An incomplete last line, which is the result of a crash, is removed; its entry was not confirmed to
        the program that added the entry.
        """
        size = os.fstat(descriptor).st_size
        if size == self._size:
            return self._last
        start = max(0, size - 2 * MAX_ENTRY)
        tail = os.pread(descriptor, size - start, start)
        complete = tail[: tail.rfind(b"\n") + 1]
        recorded = read_head(self.path, self._key)
        last_head = Head(entries=0, hash=ORIGIN)
        if complete or start:
            line = complete.rstrip(b"\n").rpartition(b"\n")[2]
            entry = _parsed(self.path, recorded.entries if recorded else 1, line, self._key)
            last_head = Head(entries=entry["number"], hash=entry["hash"])
        if recorded:
            _compare(self.path, last_head, recorded)
        # With one entry, a crash can have prevented the first write of the head.
        elif last_head.entries > 1:
            raise _missing_head(self.path, last_head)
        if len(complete) < len(tail):
            os.ftruncate(descriptor, start + len(complete))
        return last_head


def verify(path: Path, *, key: str = "", head: str = "") -> Head:
    """Return the head of an unchanged audit log; raise `AuditError` with the first wrong line otherwise.

    `head` is the hash of an entry; the user has stored this hash in another place. The log must contain this
    entry. Only this comparison detects that a program with the key has changed the log, or that a program has
    replaced the log and the file `NAME.head` by earlier copies.
    """
    last_head, is_found = Head(entries=0, hash=ORIGIN), not head
    with path.open("rb") as file:
        # Entries that are written after this moment are not read, so that the check does not block a writer.
        fcntl.flock(file, fcntl.LOCK_SH)
        size, recorded = os.fstat(file.fileno()).st_size, read_head(path, key.encode())
        fcntl.flock(file, fcntl.LOCK_UN)
        while file.tell() < size and (line := file.readline(MAX_ENTRY + 1)):
            number = last_head.entries + 1
            if not line.endswith(b"\n"):
                raise AuditError(str(path), number, "the line is too long, or its end is missing")
            entry = _parsed(path, number, line, key.encode())
            if entry["number"] != number:
                reason = f"the entry has the number {entry['number']}: entries were removed, added or moved"
                raise AuditError(str(path), number, reason)
            if entry["previous"] != last_head.hash:
                reason = "the hash of the previous entry is wrong: the previous entry was replaced"
                raise AuditError(str(path), number, reason)
            last_head = Head(entries=number, hash=entry["hash"])
            if recorded and recorded.entries == number:
                _compare(path, last_head, recorded)
            is_found = is_found or last_head.hash == head
    if recorded:
        _compare(path, last_head, recorded)
    elif last_head.entries:
        raise _missing_head(path, last_head)
    if not is_found:
        raise AuditError(str(path), last_head.entries + 1, f"the log does not contain the entry {head}")
    return last_head


def digest(fields: Mapping[str, Any], key: bytes) -> str:
    """Return the hash of an entry without its field `hash`: HMAC-SHA-256, or without a key SHA-256."""
    content = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    return hmac.new(key, content, hashlib.sha256).hexdigest() if key else hashlib.sha256(content).hexdigest()


def read_head(path: Path, key: bytes) -> Head | None:
    """Return the content of `NAME.head`; None without this file. Raises `AuditError` if it was changed."""
    try:
        line = _head_path(path).read_bytes()
    except FileNotFoundError:
        return None
    words = line.decode("ascii", "replace").split()
    if len(words) != 3 or not (words[0].isascii() and words[0].isdigit() and len(words[0]) < 19):
        raise AuditError(str(_head_path(path)), 1, "the line must contain a number and two hashes")
    head = Head(entries=int(words[0]), hash=words[1])
    if not hmac.compare_digest(words[2].encode(), _seal(head, key).encode()):
        raise AuditError(
            str(_head_path(path)), 1, "the line was changed, or it was written with a different key"
        )
    return head


def _seal(head: Head, key: bytes) -> str:
    """Return the hash of a head; a program without the key cannot create this hash for a shortened log."""
    return digest({"entries": head.entries, "hash": head.hash}, key)


def _parsed(path: Path, number: int, line: bytes, key: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
        fields = {name: value for name, value in entry.items() if name != "hash"}
        is_entry = type(entry["number"]) is int and entry["previous"].__class__ is str
        is_unchanged = is_entry and hmac.compare_digest(str(entry["hash"]), digest(fields, key))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise AuditError(str(path), number, "the line is not an entry") from None
    if not is_unchanged:
        raise AuditError(str(path), number, "the entry was changed, or it was written with a different key")
    return dict(entry)


def _compare(path: Path, last_head: Head, recorded: Head) -> None:
    """Raise `AuditError` if the log ends before the entry of `NAME.head`, or this entry has another hash."""
    if recorded.entries > last_head.entries:
        reason = f"the log ends after {last_head.entries} entries, but had {recorded.entries}"
        raise AuditError(str(path), last_head.entries + 1, reason)
    if recorded.entries == last_head.entries and recorded.hash != last_head.hash:
        raise AuditError(
            str(path),
            last_head.entries,
            f"the hash of the last entry is not the hash in the file {_head_path(path).name}",
        )


def _missing_head(path: Path, last_head: Head) -> AuditError:
    return AuditError(str(path), last_head.entries + 1, f"the file {_head_path(path).name} is missing")


def _head_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.head")


def _write_head(path: Path, head: Head, key: bytes) -> None:
    temporary = path.with_name(f"{path.name}.head.new")
    temporary.write_text(f"{head.entries} {head.hash} {_seal(head, key)}\n", encoding="ascii")
    temporary.replace(_head_path(path))


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
