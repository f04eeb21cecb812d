"""The values with which an image is run, and root file systems from layers."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from fakes.base_image import write_base
from infra_runtime.errors import IntegrityError
from infra_runtime.images import documents
from infra_runtime.images.base_image import BaseImage, select
from infra_runtime.images.container import Container
from infra_runtime.images.documents import Descriptor
from infra_runtime.images.layers import Entry
from infra_runtime.images.layout import Layout
from infra_runtime.images.rootfs import unpack_image


def container(folder: Path, **settings: Any) -> Container:
    return Container(
        name="api",
        folder=folder,
        settings={"User": "65532:65532", "Env": ["A=1", "B=2"], **settings},
        variables={"B": "3"},
    )


def test_arguments_replace_the_command_but_not_the_entry_point(tmp_path: Path) -> None:
    image = container(tmp_path, Entrypoint=["launcher"], Cmd=["all"])

    assert image.words() == ["launcher", "all"]
    assert image.words(["migrate", "--fake"]) == ["launcher", "migrate", "--fake"]


def test_only_a_health_check_without_a_shell_is_run(tmp_path: Path) -> None:
    check = {"Test": ["CMD", "python3", "-c", "pass"], "StartPeriod": 7_000_000_000}

    assert container(tmp_path, Healthcheck=check).health() == ["python3", "-c", "pass"]
    assert container(tmp_path, Healthcheck=check).start_timeout() == 7
    assert container(tmp_path, Healthcheck={"Test": ["NONE"]}).health() == []


def layered(folder: Path, *layers: list[tarfile.TarInfo]) -> BaseImage:
    """Return an image with layers of empty files, links and folders."""
    layout = Layout.create(folder / "layout")
    descriptors, diff_ids = [], []
    for members in layers:
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as archive:
            for member in members:
                archive.addfile(member, io.BytesIO())
        descriptors.append(layout.add(data.getvalue(), documents.LAYER))
        diff_ids.append(descriptors[-1].digest)
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": diff_ids}}
    blob = layout.add(documents.json_bytes(config), documents.CONFIG)
    manifest = layout.add(documents.manifest(blob, descriptors, {}), documents.MANIFEST)
    return select(layout, manifest, None, "image")


def entry(name: str, *, link: str = "", kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = (tarfile.SYMTYPE, link) if link else (kind, "")
    return info


def test_a_later_layer_replaces_and_removes_files(tmp_path: Path) -> None:
    image = layered(
        tmp_path,
        [entry("a/one"), entry("a/two"), entry("b/three"), entry("c"), entry("link", link="c")],
        [
            entry("a/.wh.one"),
            entry("b/.wh..wh..opq"),
            entry("b/four"),
            entry("link"),
            entry("null", kind=tarfile.CHRTYPE),
        ],
    )
    unpack_image(image, tmp_path / "root")

    names = sorted(str(path.relative_to(tmp_path / "root")) for path in (tmp_path / "root").rglob("*"))
    assert names == ["a", "a/two", "b", "b/four", "c", "link"]
    assert not (tmp_path / "root" / "link").is_symlink()


def test_a_whiteout_of_a_folder_keeps_the_files_of_the_same_layer(tmp_path: Path) -> None:
    image = layered(
        tmp_path,
        [entry("a/one"), entry("a/sub/two"), entry("b")],
        [entry("a/sub/three"), entry("a/.wh..wh..opq"), entry("a/four")],
    )
    unpack_image(image, tmp_path / "root")

    files = sorted(
        str(path.relative_to(tmp_path / "root")) for path in (tmp_path / "root").rglob("*") if path.is_file()
    )
    assert files == ["a/four", "a/sub/three", "b"]


@pytest.mark.parametrize(
    "members",
    [
        [entry("../outside")],
        [entry("out", link="/"), entry("out/tmp/outside")],
        [entry("out", link=".."), entry("out/.wh.kept")],
    ],
)
def test_a_layer_that_leaves_the_folder_is_an_error(tmp_path: Path, members: list[tarfile.TarInfo]) -> None:
    (tmp_path / "kept").touch()

    with pytest.raises(IntegrityError, match=r"unsafe to unpack|outside of the image"):
        unpack_image(layered(tmp_path, members), tmp_path / "root")
    assert (tmp_path / "kept").exists()
    assert not (tmp_path / "outside").exists()


def test_a_damaged_layer_is_not_unpacked(tmp_path: Path) -> None:
    layout = write_base(tmp_path / "base", [Entry(name="file", content=b"x" * 600)])
    image = select(layout, layout.find(), None, "image")
    layer: Descriptor = image.layers[0]
    path = layout.path(layer.digest)
    path.write_bytes(path.read_bytes().replace(b"x", b"y", 1))

    with pytest.raises(IntegrityError, match="have the digest"):
        unpack_image(image, tmp_path / "root")
