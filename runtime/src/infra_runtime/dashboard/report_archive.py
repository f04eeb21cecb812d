"""Failure reports as ZIP files: to save one, and to open reports that were written on another machine.

A file of another machine can have any content. Only the names of the files of a report are accepted, no file
is written outside of the folder of a report, and all sizes are limited. Source: APPNOTE.TXT (ZIP).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from infra_runtime.dashboard import reports
from infra_runtime.errors import InfraError
from infra_runtime.host import disk
from infra_runtime.message import MessageError

#: bytes of an archive, and of all files in it; reports, and files of one report
LARGEST, LARGEST_CONTENT, MOST_REPORTS, MOST_FILES = 64 << 20, 256 << 20, 200, 1000
#: bytes of the list of files in an archive, which is read into memory
LARGEST_DIRECTORY = 4 << 20
#: the folder of the reports in a data directory
FOLDER = "capsules"
#: the files of a report. `units.json` is not part of an archive, because it can contain passwords.
_FILE = re.compile(
    r"(?:capsule\.json|events\.jsonl|trace\.(?:json|txt)|logs/[^/]+\.log|dumps(?:/[^/]+){1,3})"
)
_CHUNK = 1 << 16
#: the last record of a ZIP file, and the longest comment that can follow it
_END, _COMMENT = struct.Struct("<4s4H2LH"), 0xFFFF
#: bytes of the record of ZIP64 before it
_LOCATOR = 20


class ArchiveError(InfraError):
    """The error that a file is not an archive of failure reports."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the failure report cannot be imported: {self.reason}"


def pack(folder: Path, file: IO[bytes]) -> None:
    """Write the failure report in a folder to a file. Symbolic links are left out."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(_files(folder)):
            name = path.relative_to(folder).as_posix()
            if _FILE.fullmatch(name):
                # A ZIP file cannot contain a time before 1980, and a name that is not UTF-8.
                shown = name.encode(errors="replace").decode()
                entry = zipfile.ZipInfo(f"{folder.name}/{shown}")
                entry.compress_type = zipfile.ZIP_DEFLATED
                with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target)


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):  # does not follow links to folders
        yield from (path for name in names if disk.is_file(str(path := Path(parent, name))))


def unpack(file: IO[bytes], data: Path) -> list[Path]:
    """Write the failure reports of an archive into a data directory; return their folders.

    An archive can contain several reports, each in a folder, such as an artefact of CI. A report that was
    imported before is replaced. Raises `ArchiveError`.
    """
    try:
        _check_directory(file)
        with zipfile.ZipFile(file) as archive:
            members = _members(archive)
            place = data / FOLDER
            place.mkdir(mode=0o700, exist_ok=True)
            if not disk.is_folder(str(place)):
                raise ArchiveError(f"{place} is not a folder")
            budget = LARGEST_CONTENT
            folders = []
            for own in members.values():
                folder, budget = _unpacked(archive, own, place, budget)
                folders.append(folder)
            return folders
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zlib.error) as error:
        # RuntimeError: the file is encrypted; NotImplementedError: an unknown compression
        raise ArchiveError(f"the file is not a readable ZIP file: {error}") from error
    except OSError as error:
        raise ArchiveError(f"the files cannot be written: {error.strerror or error}") from error


def _check_directory(file: IO[bytes]) -> None:
    """Raise `ArchiveError` if the list of files in an archive is too large or missing."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _END.size - _COMMENT, 0))
    tail = file.read()
    place = tail.rfind(b"PK\5\6")
    if not 0 <= place <= len(tail) - _END.size:
        raise ArchiveError("the file is not a ZIP file")
    if tail[max(place - _LOCATOR, 0) :].startswith(b"PK\6\7"):  # other records would replace these numbers
        raise ArchiveError("it is a ZIP64 file")
    length = _END.unpack_from(tail, place)[5]
    if length > LARGEST_DIRECTORY:
        raise ArchiveError(f"its list of files has more than {LARGEST_DIRECTORY >> 20} MiB")


def _members(archive: zipfile.ZipFile) -> dict[str, dict[str, zipfile.ZipInfo]]:
    """Return folder of a report → its files by name. Raises `ArchiveError`."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    roots = _roots(entry.filename for entry in entries)
    if not roots:
        raise ArchiveError("the archive has no file capsule.json")
    if len(roots) > MOST_REPORTS:
        raise ArchiveError(f"the archive has more than {MOST_REPORTS} failure reports")
    members: dict[str, dict[str, zipfile.ZipInfo]] = {root: {} for root in roots}
    for entry in entries:
        root = next((root for root in roots if _is_in(entry, root)), None)
        if root is not None:
            members[root][entry.filename.removeprefix(root)] = entry
    if any(len(own) > MOST_FILES for own in members.values()):
        raise ArchiveError(f"a failure report has more than {MOST_FILES} files")
    return members


def _roots(names: Iterable[str]) -> list[str]:
    """Return the folders of reports, with a slash at the end; a dump can also have the name capsule.json."""
    description = "capsule.json"
    roots: list[str] = []
    folders = {name.removesuffix(description) for name in names if PurePosixPath(name).name == description}
    for folder in sorted(folders, key=lambda folder: (len(folder), folder)):
        if not any(folder.startswith(f"{root}dumps/") for root in roots):
            roots.append(folder)
    return roots


def _is_in(entry: zipfile.ZipInfo, root: str) -> bool:
    """Return whether an entry is a file of the report with this folder, with a name that is harmless."""
    name = entry.filename.removeprefix(root)
    if not entry.filename.startswith(root) or not _FILE.fullmatch(name):
        return False
    parts = name.split("/")
    is_harmless = not any(part in {"", ".", ".."} or len(os.fsencode(part)) > 200 for part in parts)
    return is_harmless and not any(character in name for character in "\\\0")


def _unpacked(
    archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], place: Path, budget: int
) -> tuple[Path, int]:
    """Write one report; return its folder, and the bytes that the further reports may have."""
    temporary = Path(tempfile.mkdtemp(prefix=".import-", dir=place))
    new = temporary / "report"  # a listing finds reports, complete or not, only directly in `place`
    try:
        new.mkdir(mode=0o700)
        digest = hashlib.blake2b(digest_size=8)
        for name, entry in sorted(members.items()):
            if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                raise ArchiveError(f"{name!r} has an unknown compression")
            target = new / name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            digest.update(f"{name}\0".encode())
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with archive.open(entry) as source, os.fdopen(descriptor, "wb") as file:
                while part := source.read(_CHUNK):
                    budget -= len(part)
                    if budget < 0:
                        raise ArchiveError(f"its files have more than {LARGEST_CONTENT >> 20} MiB")
                    digest.update(part)
                    file.write(part)
        try:
            reports.description(new / "capsule.json")
        except (OSError, ValueError, RecursionError, MessageError) as error:
            raise ArchiveError(f"capsule.json is not the description of a failure report: {error}") from error
        folder = place / f"{reports.IMPORTED}{digest.hexdigest()}"
        if folder.exists():
            disk.remove(str(folder))
        new.rename(folder)
        return folder, budget
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
