"""Archives are unpacked without trust in their content."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

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
def test_bombs_are_refused_before_they_fill_the_disk(
    pack: Callable[[dict[str, bytes]], bytes], tmp_path: Path
) -> None:
    bomb = archive_of(pack({"zeros": bytes(4_000_000)}), tmp_path)
    many = archive_of(pack({str(number): b"" for number in range(20)}), tmp_path / "many")

    with pytest.raises(IntegrityError, match="'zeros' exceeds the limit of 1000000 unpacked bytes"):
        unpack(bomb, tmp_path / "size", limits=Limits(size=1_000_000))
    with pytest.raises(IntegrityError, match="'zeros' expands the archive more than 20 times"):
        unpack(bomb, tmp_path / "ratio", limits=Limits(ratio=20, ratio_from=1_000_000))
    with pytest.raises(IntegrityError, match="'10' is entry number 11, but the limit is 10"):
        unpack(many, tmp_path / "count", limits=Limits(entries=10))
    assert (tmp_path / "size/zeros").stat().st_size <= 1_000_000


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


def test_a_debian_package_with_zstandard_is_an_error_without_dpkg_deb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(IntegrityError, match="is compressed with Zstandard") as caught:
        unpack(archive_of(package(b"compressed", "data.tar.zst"), tmp_path), tmp_path / "into")

    assert "dpkg-deb" in caught.value.hint
