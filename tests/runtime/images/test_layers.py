"""Layers: the same files have the same bytes, whatever their times, owners and modes are."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from infra_runtime.errors import ImageError
from infra_runtime.images.layers import Entry, Layer, tree, write_layer
from infra_runtime.images.layout import HashingFile, Layout

EPOCH = 1_750_000_000


def files(folder: Path, *, mode: int, moment: int) -> Path:
    """Write a small tree with a mode and a time of its files."""
    (folder / "shop" / "pages").mkdir(parents=True)
    (folder / "shop" / "app.py").write_text("print()\n")
    (folder / "shop" / "pages" / "index.html").write_text("<p>")
    (folder / "shop" / "run").write_text("#!/bin/sh\n")
    (folder / "link").symlink_to("shop/app.py")
    for path in sorted(folder.rglob("*")):
        if not path.is_symlink() and path.is_file():
            path.chmod(mode | 0o100 if path.name == "run" else mode)
        os.utime(path, (moment, moment), follow_symlinks=False)
    return folder


def members(layout: Layout, layer: Layer) -> list[tarfile.TarInfo]:
    data = gzip.decompress(layout.path(layer.descriptor.digest).read_bytes())
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return archive.getmembers()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.create(tmp_path / "layout")


def test_two_trees_with_other_times_and_modes_are_the_same_layer(layout: Layout, tmp_path: Path) -> None:
    one = files(tmp_path / "one", mode=0o600, moment=EPOCH - 10)
    other = files(tmp_path / "other", mode=0o664, moment=EPOCH + 10)

    first = write_layer(layout, tree(one, "/app"), time=EPOCH)
    second = write_layer(layout, reversed([*tree(other, "/app")]), time=EPOCH)

    assert first == second


def test_the_entries_are_sorted_and_belong_to_root(layout: Layout, tmp_path: Path) -> None:
    layer = write_layer(layout, tree(files(tmp_path / "one", mode=0o600, moment=0), "/app"), time=EPOCH)
    entries = members(layout, layer)

    assert [(entry.name, entry.mode) for entry in entries] == [
        ("app", 0o755),
        ("app/link", 0o777),
        ("app/shop", 0o755),
        ("app/shop/app.py", 0o644),
        ("app/shop/pages", 0o755),
        ("app/shop/pages/index.html", 0o644),
        ("app/shop/run", 0o755),
    ]
    assert {(entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname) for entry in entries} == {
        (EPOCH, 0, 0, "", "")
    }


def test_a_folder_precedes_its_files_although_another_name_sorts_between_them(layout: Layout) -> None:
    layer = write_layer(layout, [Entry(name="a/b", content=b""), Entry(name="a-c", content=b"")], time=0)

    assert [member.name for member in members(layout, layer)] == ["a", "a/b", "a-c"]


def test_the_diff_id_is_the_digest_of_the_uncompressed_bytes(layout: Layout) -> None:
    entries = [Entry(name="file", content=b"x" * 5000)]
    packed = write_layer(layout, entries, time=0)
    plain = write_layer(layout, entries, time=0, compress=False)

    data = gzip.decompress(layout.path(packed.descriptor.digest).read_bytes())
    assert packed.diff_id == plain.diff_id == plain.descriptor.digest
    assert packed.diff_id == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert plain.descriptor.media_type.endswith(".tar")
    assert packed.descriptor.size == layout.path(packed.descriptor.digest).stat().st_size


def test_a_long_path_is_written_in_the_format_pax(layout: Layout) -> None:
    name = "/".join(["folder" * 8] * 8)
    layer = write_layer(layout, [Entry(name=name, content=b"")], time=0)

    assert members(layout, layer)[-1].name == name


def test_two_files_with_one_path_are_an_error(layout: Layout) -> None:
    with pytest.raises(ImageError, match="two files of the layer have this path"):
        write_layer(layout, [Entry(name="a", content=b""), Entry(name="a", content=b"x")], time=0)


def test_a_full_disk_leaves_no_part_of_a_layer(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    write = HashingFile.write

    def full(self: HashingFile, data: bytes) -> int:
        if self.size > 100_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, data)

    monkeypatch.setattr(HashingFile, "write", full)
    with pytest.raises(OSError, match="No space left"):
        write_layer(layout, [Entry(name="a", content=os.urandom(300_000))], time=0)

    assert list((layout.folder / "blobs" / "sha256").iterdir()) == []
