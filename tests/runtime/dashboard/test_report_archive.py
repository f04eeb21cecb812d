"""Failure reports as ZIP files: what is packed, and files of another machine with any content."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from fakes.dashboard_data import write_report
from infra_runtime.dashboard import report_archive
from infra_runtime.dashboard.report_archive import ArchiveError, pack, unpack

pytestmark = pytest.mark.process
DESCRIPTION = '{"test": "test_x", "phase": "call", "began": 1.0, "seconds": 1.0, "failure": "E"}'


def archive(**files: str | bytes) -> io.BytesIO:
    """Return a ZIP file whose bytes depend only on the arguments; in the names, `__` means a slash.

    The default time of an entry is the current time. The ids of parametrised tests contain these bytes, and
    pytest-xdist refuses to run if its workers collect different ids.
    """
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in files.items():
            written.writestr(zipfile.ZipInfo(name.replace("__", "/")), content, zipfile.ZIP_DEFLATED)
    return file


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    return data


def test_a_packed_report_is_unpacked_without_passwords_and_links(tmp_path: Path, data: Path) -> None:
    report = write_report(tmp_path, "test_order")
    (report / "logs" / "api.log").write_text("ERROR\n", encoding="utf-8")
    (report / "dumps").mkdir()
    (report / "dumps" / "db.sql").write_text("data", encoding="utf-8")
    (report / "units.json").write_text('{"password": "x"}', encoding="utf-8")
    (report / "logs" / "link.log").symlink_to("/etc/passwd")
    file = io.BytesIO()

    pack(report, file)
    (folder,) = unpack(file, data)

    assert folder.name.startswith("imported-")
    assert files(folder) == {"capsule.json", "logs/api.log", "dumps/db.sql"}
    assert (folder / "capsule.json").read_bytes() == (report / "capsule.json").read_bytes()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}
    assert (modes, stat.S_IMODE((folder / "logs").stat().st_mode) & 0o077) == ({0o600}, 0)


def test_an_archive_of_ci_has_several_reports_in_any_folder(data: Path) -> None:
    other = DESCRIPTION.replace("test_x", "test_y")
    file = archive(
        data__capsules__x__capsule_json="", **{"a/b/one/capsule.json": DESCRIPTION, "two/capsule.json": other}
    )

    assert len({*unpack(file, data)}) == 2


def test_the_same_report_is_imported_once(data: Path) -> None:
    folders = [*unpack(archive(**{"capsule.json": DESCRIPTION}), data)]
    folders += unpack(archive(**{"capsule.json": DESCRIPTION}), data)

    assert [path.name for path in (data / "capsules").iterdir()] == [folders[0].name]
    assert folders[0] == folders[1]


@pytest.mark.parametrize(
    "name",
    [
        *("../evil.log", "logs/../../evil.log", "/logs/evil.log", "logs/sub/evil.log", "dumps/../evil.log"),
        *("logs\\evil.log", "logs/..\\evil.log", "dumps/a/b/c/d", "other.json", "units.json"),
        *("logs/" + "x" * 300 + ".log", "dumps/./x", "dumps//x", "C:/evil.log"),
    ],
)
def test_a_file_with_another_name_is_not_written(data: Path, name: str) -> None:
    file = archive(**{"x/capsule.json": DESCRIPTION, f"x/{name}": "evil"})

    (folder,) = unpack(file, data)

    assert files(data) == {f"capsules/{folder.name}/capsule.json"}
    assert files(data.parent) == {f"data/capsules/{folder.name}/capsule.json"}


def test_a_symbolic_link_in_an_archive_is_a_file_with_its_text(data: Path) -> None:
    file = archive(**{"capsule.json": DESCRIPTION})
    with zipfile.ZipFile(file, "a") as written:
        link = zipfile.ZipInfo("logs/api.log")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        written.writestr(link, "/etc/passwd")

    (folder,) = unpack(file, data)

    assert not (folder / "logs" / "api.log").is_symlink()
    assert (folder / "logs" / "api.log").read_text(encoding="utf-8") == "/etc/passwd"


@pytest.mark.parametrize(
    "content",
    [
        *(
            b"",
            b"x" * 100,
            b"PK\x03\x04",
            b"PK\x05\x06",
            b"PK\x05\x06" + b"\0" * 18,
            b"PK\x05\x06" + b"\xff" * 18,
        ),
        archive(**{"x.txt": "x"}).getvalue(),
        archive(**{"capsule.json": "{"}).getvalue(),
        archive(**{"capsule.json": "[]"}).getvalue(),
        archive(**{"capsule.json": "[" * 100_000}).getvalue(),
        archive(**{"capsule.json": DESCRIPTION.replace("1.0", "1e400")}).getvalue(),
        archive(**{"capsule.json": DESCRIPTION, "dumps/a": "x", "dumps/a/b": "x"}).getvalue(),
        archive(**{"capsule.json": DESCRIPTION}).getvalue()[:-30],
    ],
)
def test_another_file_is_refused_and_leaves_nothing(data: Path, content: bytes) -> None:
    with pytest.raises(ArchiveError):
        unpack(io.BytesIO(content), data)

    assert files(data) == set()


@pytest.mark.parametrize("place", [40, 44, 60])
def test_a_damaged_file_is_refused(data: Path, place: int) -> None:
    content = bytearray(archive(**{"capsule.json": DESCRIPTION}).getvalue())
    content[place : place + 4] = b"\xff\xff\xff\xff"

    with pytest.raises(ArchiveError):
        unpack(io.BytesIO(content), data)


def test_an_encrypted_file_and_an_unknown_compression_are_refused(data: Path) -> None:
    encrypted = bytearray(archive(**{"capsule.json": DESCRIPTION}).getvalue())
    directory = encrypted.index(b"PK\x01\x02")
    encrypted[6], encrypted[directory + 8] = 1, 1
    other = bytearray(archive(**{"capsule.json": DESCRIPTION}).getvalue())
    other[8], other[directory + 10] = 14, 14

    for content in (encrypted, other):
        with pytest.raises(ArchiveError):
            unpack(io.BytesIO(content), data)


def test_the_size_of_the_content_is_limited(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_archive, "LARGEST_CONTENT", 1000)
    file = archive(**{"capsule.json": DESCRIPTION, "logs/a.log": "x" * 600, "logs/b.log": "x" * 600})

    with pytest.raises(ArchiveError, match="MiB"):
        unpack(file, data)

    assert files(data) == set()


def test_a_long_list_of_files_is_refused_before_it_is_read(data: Path) -> None:
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 1 << 30, 0, 0)

    with pytest.raises(ArchiveError, match="list of files"):
        unpack(io.BytesIO(end), data)


@pytest.mark.parametrize(("limit", "count"), [("MOST_REPORTS", 3), ("MOST_FILES", 3)])
def test_the_number_of_reports_and_files_is_limited(
    data: Path, monkeypatch: pytest.MonkeyPatch, limit: str, count: int
) -> None:
    monkeypatch.setattr(report_archive, limit, 2)
    reports = {
        f"{number}/capsule.json": DESCRIPTION for number in range(count if limit == "MOST_REPORTS" else 1)
    }
    logs = {f"0/logs/{number}.log": "" for number in range(count)}

    with pytest.raises(ArchiveError, match="more than 2"):
        unpack(archive(**reports, **(logs if limit == "MOST_FILES" else {})), data)


def test_a_link_in_place_of_the_folder_is_not_followed(data: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (data / "capsules").symlink_to(outside)

    with pytest.raises(ArchiveError, match="must be a folder"):
        unpack(archive(**{"capsule.json": DESCRIPTION}), data)

    assert files(outside) == set()


def test_a_dump_can_have_the_name_of_a_description(tmp_path: Path, data: Path) -> None:
    report = write_report(tmp_path, "test_order")
    (report / "dumps" / "db").mkdir(parents=True)
    (report / "dumps" / "db" / "capsule.json").write_text("[]", encoding="utf-8")
    file = io.BytesIO()

    pack(report, file)
    (folder,) = unpack(file, data)

    assert files(folder) == {"capsule.json", "dumps/db/capsule.json"}


def test_the_records_of_zip64_are_refused(data: Path) -> None:
    """They would replace the size of the list of files, which is limited."""
    content = archive(r__capsule=DESCRIPTION).getvalue()
    end = content.rindex(b"PK\5\6")
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)

    with pytest.raises(ArchiveError, match="ZIP64"):
        unpack(io.BytesIO(content[:end] + locator + content[end:]), data)
