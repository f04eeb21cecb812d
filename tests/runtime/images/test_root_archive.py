"""Root file systems as base images: normalised layers, and the architecture from the C library."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from infra_runtime.errors import ImageError
from infra_runtime.images.base_image import contents, open_base, plain_layer, select

EPOCH = 1_750_000_000


def root_archive(path: Path, *, shift: int = 0, names: tuple[str, ...] = ()) -> Path:
    """Write a small root file system; `shift` changes its times, and reverses the order of its entries."""
    files = ("./usr/bin/python3.11", "./lib64/ld-linux-x86-64.so.2", "./etc/hosts", *names)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        members = [tarfile.TarInfo(name) for name in files]
        for name, kind, target in (
            ("./", tarfile.DIRTYPE, ""),
            ("./usr", tarfile.DIRTYPE, ""),
            ("./bin", tarfile.SYMTYPE, "usr/bin"),
            ("./usr/bin/python3", tarfile.LNKTYPE, "./usr/bin/python3.11"),
            ("./dev/null", tarfile.CHRTYPE, ""),
            ("./var/log/dpkg.log", tarfile.REGTYPE, ""),
            ("./usr/lib/a.pyc", tarfile.REGTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            members.append(info)
        for info in reversed(members) if shift else members:
            if info.islnk():
                continue
            info.mtime, info.uname, info.uid = EPOCH + 5 + shift, "root", 7
            archive.addfile(info, io.BytesIO())
        archive.addfile(next(info for info in members if info.islnk()))
    return path


def test_two_builds_of_a_root_file_system_are_the_same_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(EPOCH))
    one, two = root_archive(tmp_path / "one.tar"), root_archive(tmp_path / "two.tar", shift=9)
    sources = [
        open_base(str(path), tmp_path / "cache" / "images", tmp_path / "unused", lock=tmp_path / "infra.lock")
        for path in (one, two)
    ]
    again = open_base(
        str(one), tmp_path / "cache" / "images", tmp_path / "unused", lock=tmp_path / "infra.lock"
    )

    assert sources[0].image == sources[1].image == again.image
    base = select(again.layout, again.image, None, "base")
    assert (str(base.platform), contents(base).pythons) == ("linux/amd64", {"3.11": "/usr/bin/python3.11"})
    with tarfile.open(fileobj=plain_layer(base.layout, base.layers[0]), mode="r|") as archive:
        members = [*archive]
    assert [member.name for member in members] == [
        *("bin", "etc/hosts", "lib64/ld-linux-x86-64.so.2", "usr", "usr/bin/python3.11", "usr/bin/python3"),
    ]
    assert {(member.mtime, member.uname) for member in members[:-1]} == {(EPOCH, "")}


def test_a_root_file_system_without_a_c_library_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "empty.tar"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("usr/bin/app"))

    with pytest.raises(ImageError, match="the processor of the root file system is unknown"):
        open_base(str(path), tmp_path / "cache" / "images", tmp_path / "unused", lock=tmp_path / "infra.lock")
