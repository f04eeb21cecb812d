"""Unpacking of archives is safe even if their content is malicious."""

from __future__ import annotations

import contextlib
import gzip
import io
import lzma
import os
import stat
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.artefacts import member, package, save, tar, zipped
from infra_runtime.binaries.unpacking import Limits, is_program, unpack
from infra_runtime.errors import IntegrityError

FILES = {"tool-1.0/bin/tool": b"#!/bin/sh\n", "tool-1.0/LICENSE": b"MIT"}


def archive_of(content: bytes, folder: Path) -> Path:
    return save(folder, "archive", content)


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(tar(FILES), id="tar.gz"),
        pytest.param(tar(FILES, mode="w:xz"), id="tar.xz"),
        pytest.param(tar(FILES, mode="w"), id="tar"),
        pytest.param(zipped(FILES), id="zip"),
        pytest.param(
            package(tar({f"./{name}": text for name, text in FILES.items()}, mode="w:xz")), id="deb"
        ),
        pytest.param(package(tar(FILES, mode="w:gz"), "data.tar.gz"), id="deb with gzip"),
        pytest.param(package(tar(FILES, mode="w"), "data.tar"), id="deb without compression"),
        pytest.param(package(tar(FILES, mode="w:bz2"), "data.tar.bz2"), id="deb with bzip2"),
        pytest.param(
            package(lzma.compress(tar(FILES, mode="w"), lzma.FORMAT_ALONE), "data.tar.lzma"),
            id="deb with lzma",
        ),
    ],
)
def test_files_and_their_modes_are_unpacked(content: bytes, tmp_path: Path) -> None:
    unpack(archive_of(content, tmp_path), tmp_path / "into")

    assert everything(tmp_path / "into") == {"tool-1.0", "tool-1.0/bin", *FILES}
    assert (tmp_path / "into/tool-1.0/bin/tool").read_bytes() == b"#!/bin/sh\n"
    assert os.access(tmp_path / "into/tool-1.0/bin/tool", os.X_OK)


def test_set_user_id_and_write_access_for_others_are_removed(tmp_path: Path) -> None:
    unpack(archive_of(zipped({"tool": b"x"}, mode=0o106777), tmp_path), tmp_path / "into")

    assert stat.S_IMODE((tmp_path / "into/tool").stat().st_mode) == 0o755


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "a\\..\\evil", "..", "a/.."])
@pytest.mark.parametrize("pack", [tar, zipped, lambda entries: package(tar(entries))])
def test_an_entry_outside_the_folder_is_refused(
    pack: Callable[[dict[str, bytes]], bytes], name: str, tmp_path: Path
) -> None:
    archive = archive_of(pack({name: b"x"}), tmp_path)

    with pytest.raises(IntegrityError, match=r"has an absolute path or `..`") as caught:
        unpack(archive, tmp_path / "into")

    assert everything(tmp_path) - {"into", "archive"} == set()
    assert str(caught.value).startswith("archive: the entry '")


@pytest.mark.parametrize("target", ["../outside", "/etc/passwd", "a/../../../outside", "./../../outside"])
def test_a_link_that_leaves_the_folder_is_refused(target: str, tmp_path: Path) -> None:
    links = (
        tar({}, member("link", tarfile.SYMTYPE, target)),
        zipped({"link": target.encode()}, mode=0o120777),
    )
    for number, content in enumerate(links):
        with pytest.raises(IntegrityError, match="'link' is a link that leaves the folder"):
            unpack(archive_of(content, tmp_path), tmp_path / f"into-{number}")


def test_no_file_is_written_through_a_link(tmp_path: Path) -> None:
    inside = tar({"link/file": b"x"}, member("link", tarfile.SYMTYPE, "elsewhere"))
    over = tar({"link": b"x"}, member("link", tarfile.SYMTYPE, "elsewhere"))

    for number, content in enumerate((inside, over)):
        with pytest.raises(IntegrityError, match=r"through a link|replace a link"):
            unpack(archive_of(content, tmp_path), tmp_path / f"into-{number}")


def test_a_chain_of_links_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    """`here/..` seems to be the folder itself, but `here` is a link to it."""
    chain = tar({}, member("here", tarfile.SYMTYPE, "."), member("up", tarfile.SYMTYPE, "here/.."))

    with pytest.raises(IntegrityError, match="'up' is a link that leaves the folder through another link"):
        unpack(archive_of(chain, tmp_path), tmp_path / "into")


@pytest.mark.parametrize("links", [{"a": "a"}, {"a": "b", "b": "a"}, {"a": "b/c", "b": "a"}])
def test_links_that_lead_back_to_themselves_are_refused(links: dict[str, str], tmp_path: Path) -> None:
    members = [member(name, tarfile.SYMTYPE, target) for name, target in links.items()]

    with pytest.raises(IntegrityError, match="is a link that leads back to itself"):
        unpack(archive_of(tar({}, *members), tmp_path), tmp_path / "into")


@pytest.mark.parametrize("target", ["", "a\0b"])
def test_a_link_without_a_valid_target_is_refused(target: str, tmp_path: Path) -> None:
    archive = archive_of(zipped({"link": target.encode()}, mode=0o120777), tmp_path)

    with pytest.raises(IntegrityError, match=r"'link' is a link to .*, which cannot be a path"):
        unpack(archive, tmp_path / "into")


def test_links_inside_the_folder_are_kept(tmp_path: Path) -> None:
    content = tar(
        {"lib/libx.so.1": b"x"},
        member("lib/libx.so", tarfile.SYMTYPE, "libx.so.1"),
        member("bin", tarfile.SYMTYPE, "./lib/../lib"),
    )

    unpack(archive_of(content, tmp_path), tmp_path / "into")

    assert (tmp_path / "into/lib/libx.so").read_bytes() == b"x"
    assert (tmp_path / "into/bin/libx.so.1").read_bytes() == b"x"


def test_absolute_links_of_a_package_refer_to_the_folder(tmp_path: Path) -> None:
    content = package(tar({"lib/ld.so": b"x"}, member("lib64/ld.so", tarfile.SYMTYPE, "/lib/ld.so")))

    unpack(archive_of(content, tmp_path), tmp_path / "into")

    assert (tmp_path / "into/lib64/ld.so").readlink() == Path("../lib/ld.so")


def test_hard_links_to_files_of_the_archive_only(tmp_path: Path) -> None:
    save(tmp_path, "secret", b"secret")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("one")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
        archive.addfile(member("two", tarfile.LNKTYPE, "one"))

    unpack(archive_of(buffer.getvalue(), tmp_path), tmp_path / "into")

    assert (tmp_path / "into/two").read_bytes() == b"x"
    for target in ("../secret", "missing"):
        with pytest.raises(IntegrityError, match=r"hard link|absolute path"):
            unpack(archive_of(tar({}, member("two", tarfile.LNKTYPE, target)), tmp_path), tmp_path / "other")


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(kind: bytes, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="'null' is a device, a pipe"):
        unpack(archive_of(tar({}, member("null", kind)), tmp_path), tmp_path / "into")


def test_a_device_in_a_zip_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="'null' is a device, a pipe"):
        unpack(archive_of(zipped({"null": b""}, mode=stat.S_IFCHR | 0o666), tmp_path), tmp_path / "into")


@pytest.mark.parametrize("pack", [tar, zipped])
def test_decompression_bombs_are_refused_before_they_fill_the_disk(
    pack: Callable[[dict[str, bytes]], bytes], tmp_path: Path
) -> None:
    bomb = archive_of(pack({"zeros": bytes(4_000_000)}), tmp_path)
    many = archive_of(pack({str(number): b"" for number in range(20)}), tmp_path / "many")

    with pytest.raises(IntegrityError, match="'zeros' exceeds the limit of 1000000 unpacked bytes"):
        unpack(bomb, tmp_path / "size", limits=Limits(size=1_000_000))
    with pytest.raises(
        IntegrityError, match="'zeros' makes the content more than 20 times as large as the archive"
    ):
        unpack(bomb, tmp_path / "ratio", limits=Limits(ratio=20, ratio_from=1_000_000))
    with pytest.raises(IntegrityError, match="'10' is entry number 11, but the limit is 10"):
        unpack(many, tmp_path / "count", limits=Limits(entries=10))
    assert (tmp_path / "size/zeros").stat().st_size <= 1_000_000


def test_a_sparse_file_is_limited_like_other_files(tmp_path: Path) -> None:
    """Its header announces 100 GB, and the archive has no bytes of them. Source: GNU tar, "PAX headers"."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("sparse")
        info.pax_headers = {"GNU.sparse.map": "100000000000,0", "GNU.sparse.size": "100000000000"}
        archive.addfile(info)

    with pytest.raises(IntegrityError, match="'sparse' exceeds the limit of 1000000 unpacked bytes"):
        unpack(archive_of(buffer.getvalue(), tmp_path), tmp_path / "into", limits=Limits(size=1_000_000))


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.DIRTYPE])
def test_bytes_outside_of_files_are_limited(kind: bytes, tmp_path: Path) -> None:
    """`tarfile` reads a header into memory, and skips the content of a folder."""
    info = tarfile.TarInfo("header")
    info.type, info.size = kind, 4_000_000
    content = gzip.compress(info.tobuf() + bytes(info.size))

    with pytest.raises(IntegrityError, match="more than 1000000 bytes outside of its files"):
        unpack(archive_of(content, tmp_path), tmp_path / "into", limits=Limits(overhead=1_000_000))


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w:bz2"])
@pytest.mark.parametrize("pack", [bytes, package])
def test_a_compressed_archive_is_complete_only_with_its_end(
    pack: Callable[[bytes], bytes], mode: str, tmp_path: Path
) -> None:
    """All files are in the first part of the bytes; the checksum is at the end."""
    content = tar(FILES, mode=mode)

    with pytest.raises(IntegrityError, match="the archive is damaged"):
        unpack(archive_of(pack(content[:-9]), tmp_path), tmp_path / "into")


def test_a_package_that_ends_before_its_file_is_an_error(tmp_path: Path) -> None:
    content = package(tar(FILES, mode="w"), "data.tar")

    with pytest.raises(IntegrityError, match="the package is cut off"):
        unpack(archive_of(content[:-8704], tmp_path), tmp_path / "into")


@pytest.mark.parametrize("name", ["n" * 300, "/".join(["folder"] * 700)])
def test_an_entry_with_a_name_that_no_file_can_have_is_an_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="an entry has an invalid name"):
        unpack(archive_of(tar({name: b"x"}), tmp_path), tmp_path / "into")


@given(st.data())
def test_changed_bytes_of_an_archive_raise_no_other_error(data: st.DataObject) -> None:
    links = (member("link", tarfile.SYMTYPE, "tool-1.0"), member("hard", tarfile.LNKTYPE, "tool-1.0/LICENSE"))
    contents = (tar(FILES, *links, mode="w"), tar(FILES), zipped(FILES), package(tar(FILES, mode="w:xz")))
    content = bytearray(data.draw(st.sampled_from(contents)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))

    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(IntegrityError):
        unpack(archive_of(bytes(content), Path(folder)), Path(folder) / "into")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"this is a page with an error message",
        tar(FILES)[: len(tar(FILES)) // 2],
        tar(FILES, mode="w:xz")[:100],
        zipped(FILES)[:-30],
        b"!<arch>\n",
        b"!<arch>\n" + b"x" * 60,
        package(tar(FILES))[:100],
        package(tar(FILES), "data.tar.lz4"),
    ],
    ids=[
        "empty",
        "page",
        "half tar",
        "cut tar.xz",
        "cut zip",
        "no member",
        "no package",
        "cut package",
        "lz4",
    ],
)
def test_a_damaged_archive_is_an_error(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"^archive: "):
        unpack(archive_of(content, tmp_path), tmp_path / "into")


def test_an_entry_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for text in (b"a", b"b"):
            info = tarfile.TarInfo("tool")
            info.size = 1
            archive.addfile(info, io.BytesIO(text))

    with pytest.raises(IntegrityError, match="'tool' occurs twice"):
        unpack(archive_of(buffer.getvalue(), tmp_path), tmp_path / "into")


def test_a_file_that_is_also_a_folder_is_refused(tmp_path: Path) -> None:
    below = tar({"tool": b"x", "tool/part": b"x"})
    instead = tar({"tool/part": b"x", "tool": b"x"})

    for number, content in enumerate((below, instead)):
        with pytest.raises(IntegrityError, match=r"is below an entry that is a file|also contains a folder"):
            unpack(archive_of(content, tmp_path), tmp_path / f"into-{number}")


def test_programs_are_recognised_by_their_first_bytes(tmp_path: Path) -> None:
    assert is_program(save(tmp_path, "elf", b"\x7fELF\x02"))
    assert not is_program(save(tmp_path, "script", b"#!/bin/sh\n"))


@pytest.mark.process
def test_a_debian_package_with_zstandard_is_unpacked_by_dpkg_deb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python before 3.14 cannot decompress it."""
    save(tmp_path, "data.tar", tar(FILES, mode="w"))
    program = save(tmp_path / "bin", "dpkg-deb", f"#!/bin/sh\nexec cat '{tmp_path}/data.tar'\n".encode())
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    unpack(archive_of(package(b"compressed", "data.tar.zst"), tmp_path), tmp_path / "into")

    assert everything(tmp_path / "into") == {"tool-1.0", "tool-1.0/bin", *FILES}


@pytest.mark.process
@pytest.mark.parametrize("text", ["cat '{data}'; exit 2", "exit 2"])
def test_a_package_that_dpkg_deb_cannot_decompress_is_an_error(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = save(tmp_path, "data.tar", tar(FILES, mode="w"))
    program = save(tmp_path / "bin", "dpkg-deb", f"#!/bin/sh\n{text.format(data=data)}\n".encode())
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    with pytest.raises(IntegrityError, match=r"cannot decompress|damaged"):
        unpack(archive_of(package(b"compressed", "data.tar.zst"), tmp_path), tmp_path / "into")


def test_a_debian_package_with_zstandard_is_an_error_without_dpkg_deb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(IntegrityError, match="is compressed with Zstandard") as caught:
        unpack(archive_of(package(b"compressed", "data.tar.zst"), tmp_path), tmp_path / "into")

    assert "dpkg-deb" in caught.value.hint
