"""Failure reports as ZIP files: to download a report, and to import reports from another machine.

A ZIP file from another machine can have any content. Therefore, only the file names of a report are accepted,
no file is written outside of the folder of a report, and all sizes are limited. Source: APPNOTE.TXT (ZIP).
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

#: the largest size in bytes of an archive and of all files in it, and the largest number of reports and of
#: files of one report
LARGEST, LARGEST_CONTENT, MOST_REPORTS, MOST_FILES = 64 << 20, 256 << 20, 200, 1000
#: the largest size in bytes of the list of files in an archive; this list is read into memory
LARGEST_DIRECTORY = 4 << 20
#: the folder of the reports in a data directory
FOLDER = "capsules"
#: The names of the files of a report. `units.json` is not included, because it can contain passwords.
_FILE = re.compile(
    r"(?:capsule\.json|events\.jsonl|trace\.(?:json|txt)|logs/[^/]+\.log|dumps(?:/[^/]+){1,3})"
)
_CHUNK = 1 << 16
#: the last record of a ZIP file, and the largest size in bytes of the comment after this record
_END, _COMMENT = struct.Struct("<4s4H2LH"), 0xFFFF
#: the size in bytes of the ZIP64 record that can precede the last record
_LOCATOR = 20


class ArchiveError(InfraError):
    """A file cannot be imported as an archive of failure reports."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the failure report cannot be imported: {self.reason}"


def pack(folder: Path, file: IO[bytes]) -> None:
    """Write the failure report in a folder to a ZIP file, without symbolic links."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(_files(folder)):
            name = path.relative_to(folder).as_posix()
            if _FILE.fullmatch(name):
                # The entry has no time and a UTF-8 name: ZIP does not support times before 1980 and other
                # encodings.
                utf8_name = name.encode(errors="replace").decode()
                member = zipfile.ZipInfo(f"{folder.name}/{utf8_name}")
                member.compress_type = zipfile.ZIP_DEFLATED
                with path.open("rb") as source, archive.open(member, "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target)


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):  # does not follow links to folders
        yield from (path for name in names if disk.is_file(str(path := Path(parent, name))))


def unpack(file: IO[bytes], data_directory: Path) -> list[Path]:
    """Write the failure reports of an archive into a data directory; return their folders.

    An archive, such as an artefact of CI, can contain several reports, each in its own folder. If a report
    was imported before, the new files replace it. Raises `ArchiveError`.
    """
    try:
        _check_directory(file)
        with zipfile.ZipFile(file) as archive:
            members = _members(archive)
            reports_folder = data_directory / FOLDER
            reports_folder.mkdir(mode=0o700, exist_ok=True)
            if not disk.is_folder(str(reports_folder)):
                raise ArchiveError(f"{reports_folder} must be a folder, not a file or a symbolic link")
            budget = LARGEST_CONTENT
            folders = []
            for files_of_report in members.values():
                folder, budget = _unpacked(archive, files_of_report, reports_folder, budget)
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
    offset = tail.rfind(b"PK\5\6")
    if not 0 <= offset <= len(tail) - _END.size:
        raise ArchiveError("the file is not a ZIP file")
    # In a ZIP64 file, other records contain the right numbers.
    if tail[max(offset - _LOCATOR, 0) :].startswith(b"PK\6\7"):
        raise ArchiveError("files in the format ZIP64 are not supported")
    length = _END.unpack_from(tail, offset)[5]
    if length > LARGEST_DIRECTORY:
        raise ArchiveError(f"the list of files in the archive has more than {LARGEST_DIRECTORY >> 20} MiB")


def _members(archive: zipfile.ZipFile) -> dict[str, dict[str, zipfile.ZipInfo]]:
    """Return a mapping from folder to the files (by name) of each report. Raises `ArchiveError`."""
    archived_files = [member for member in archive.infolist() if not member.is_dir()]
    roots = _roots(member.filename for member in archived_files)
    if not roots:
        raise ArchiveError("the archive contains no failure report: it has no file capsule.json")
    if len(roots) > MOST_REPORTS:
        raise ArchiveError(f"the archive has more than {MOST_REPORTS} failure reports")
    members: dict[str, dict[str, zipfile.ZipInfo]] = {root: {} for root in roots}
    for member in archived_files:
        root = next((root for root in roots if _is_in(member, root)), None)
        if root is not None:
            members[root][member.filename.removeprefix(root)] = member
    if any(len(files) > MOST_FILES for files in members.values()):
        raise ArchiveError(f"a failure report has more than {MOST_FILES} files")
    return members


def _roots(names: Iterable[str]) -> list[str]:
    """Return the folders of reports, each with a slash at the end.

    A file `capsule.json` in a folder `dumps` of a report is a dump, and not another report.
    """
    description = "capsule.json"
    roots: list[str] = []
    folders = {name.removesuffix(description) for name in names if PurePosixPath(name).name == description}
    for folder in sorted(folders, key=lambda folder: (len(folder), folder)):
        if not any(folder.startswith(f"{root}dumps/") for root in roots):
            roots.append(folder)
    return roots


def _is_in(member: zipfile.ZipInfo, root: str) -> bool:
    """Return whether `member` is a file of the report in the folder `root`, and has a harmless name."""
    name = member.filename.removeprefix(root)
    if not member.filename.startswith(root) or not _FILE.fullmatch(name):
        return False
    parts = name.split("/")
    is_harmless = not any(part in {"", ".", ".."} or len(os.fsencode(part)) > 200 for part in parts)
    return is_harmless and not any(character in name for character in "\\\0")


def _unpacked(
    archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], reports_folder: Path, budget: int
) -> tuple[Path, int]:
    """Write the files of one report; return its folder, and the number of bytes that remain of `budget`."""
    temporary = Path(tempfile.mkdtemp(prefix=".import-", dir=reports_folder))
    new_folder = temporary / "report"  # not directly in `reports_folder`: not listed yet
    try:
        new_folder.mkdir(mode=0o700)
        digest = hashlib.blake2b(digest_size=8)
        for name, member in sorted(members.items()):
            if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                raise ArchiveError(
                    f"{name!r} is compressed with an unsupported method; use the method deflate"
                )
            target = new_folder / name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            digest.update(f"{name}\0".encode())
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with archive.open(member) as source, os.fdopen(descriptor, "wb") as file:
                while chunk := source.read(_CHUNK):
                    budget -= len(chunk)
                    if budget < 0:
                        raise ArchiveError(
                            f"the files in the archive have more than {LARGEST_CONTENT >> 20} MiB"
                        )
                    digest.update(chunk)
                    file.write(chunk)
        try:
            reports.description(new_folder / "capsule.json")
        except (OSError, ValueError, RecursionError, MessageError) as error:
            raise ArchiveError(f"capsule.json is not the description of a failure report: {error}") from error
        folder = reports_folder / f"{reports.IMPORTED}{digest.hexdigest()}"
        if folder.exists():
            disk.remove(str(folder))
        new_folder.rename(folder)
        return folder, budget
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
