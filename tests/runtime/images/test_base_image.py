"""Base images: from layouts and archives, for a platform, with the Python that the layers contain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fakes.base_image import bare_base, write_base
from infra_runtime.errors import ImageError, IntegrityError
from infra_runtime.images.archives import write_archive
from infra_runtime.images.base_image import Contents, contents, open_base, select
from infra_runtime.images.documents import Platform
from infra_runtime.images.layers import Entry, write_layer
from infra_runtime.images.layout import Layout

ARM = Platform(architecture="arm64")


def test_the_base_is_a_layout_or_an_archive(tmp_path: Path) -> None:
    layout = bare_base(tmp_path / "base")
    image = layout.find()
    write_archive(layout, image, tmp_path / "base.tar", [], time=0)

    texts = [str(tmp_path / "base"), f"oci:{tmp_path}/base@{image.digest}", str(tmp_path / "base.tar")]
    sources = [
        open_base(text, tmp_path / "cache", tmp_path / f"unpacked{number}", lock=tmp_path / "infra.lock")
        for number, text in enumerate(texts)
    ]

    assert {source.image.digest for source in sources} == {image.digest}
    assert all(source.is_local for source in sources)


def test_an_index_offers_an_image_for_each_platform(tmp_path: Path) -> None:
    layout = bare_base(tmp_path / "base", architectures=("amd64", "arm64"))

    assert select(layout, layout.find(), ARM, "base").config["architecture"] == "arm64"
    with pytest.raises(ImageError, match="exactly one platform; its platforms: linux/amd64, linux/arm64"):
        select(layout, layout.find(), None, "base")
    single = bare_base(tmp_path / "single")
    with pytest.raises(ImageError, match="does not exist for linux/arm64, only for linux/amd64"):
        select(single, single.find(), ARM, "base")


def test_the_layers_contain_python_and_the_packages_of_debian(tmp_path: Path) -> None:
    layout = bare_base(tmp_path / "base")
    read = contents(select(layout, layout.find(), None, "base"))

    assert read.pythons == {"3.11": "/usr/bin/python3.11"}
    assert "libc6" in read.dpkg_status
    assert "bookworm" in read.os_release


def test_the_newest_python_is_the_default() -> None:
    read = Contents(pythons={"3.9": "/usr/bin/python3.9", "3.13": "/usr/local/bin/python3.13"})

    assert read.python("", "base") == ("3.13", "/usr/local/bin/python3.13")
    assert read.python("3.9", "base") == ("3.9", "/usr/bin/python3.9")
    with pytest.raises(ImageError, match=r"does not contain Python 3\.12; it contains: 3\.13, 3\.9"):
        read.python("3.12", "base")
    with pytest.raises(ImageError, match="the base image contains no Python"):
        Contents(pythons={}).python("", "base")


@pytest.mark.parametrize(
    ("names", "remaining"),
    [
        (["usr/bin/.wh.python3.12"], {"3.11"}),
        (["usr/bin/.wh..wh..opq"], set()),
        (["usr/.wh.bin"], set()),
        ([".wh..wh..opq"], set()),
        (["usr/bin/python3.13", "usr/bin/.wh..wh..opq"], {"3.13"}),
        (["usr/.wh.bi", "bin/.wh..wh..opq"], {"3.11", "3.12"}),
    ],
)
def test_a_python_that_a_later_layer_hides_is_not_found(
    tmp_path: Path, names: list[str], remaining: set[str]
) -> None:
    entries = [Entry(name=f"usr/bin/python3.{minor}", content=b"") for minor in (11, 12)]
    layout = write_base(tmp_path / "base", entries)
    base = select(layout, layout.find(), None, "base")
    later = write_layer(layout, [Entry(name=name, content=b"") for name in names], time=0)
    diff_ids = [*base.diff_ids, later.diff_id]
    changed = replace(
        base, layers=(*base.layers, later.descriptor), config={"rootfs": {"diff_ids": diff_ids}}
    )

    assert {*contents(base).pythons} == {"3.11", "3.12"}
    assert {*contents(changed).pythons} == remaining


def test_a_damaged_layer_is_an_error(tmp_path: Path) -> None:
    layout = bare_base(tmp_path / "base")
    base = select(layout, layout.find(), None, "base")
    path = layout.path(base.layers[0].digest)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # in the padding, which tarfile ignores
    path.write_bytes(data)

    with pytest.raises(IntegrityError, match="have the digest sha256:"):
        contents(base)


def test_a_path_without_an_image_is_an_error(tmp_path: Path) -> None:
    Layout.create(tmp_path / "empty")

    with pytest.raises(ImageError, match="is not an OCI layout"):
        open_base(
            str(tmp_path / "empty"), tmp_path / "cache", tmp_path / "unpacked", lock=tmp_path / "infra.lock"
        )
