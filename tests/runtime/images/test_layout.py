"""OCI layouts: blobs are checked when they are read, and the index is replaced at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fakes.base_image import bare_base
from infra_runtime.errors import ImageError, IntegrityError
from infra_runtime.images import documents
from infra_runtime.images.documents import REF_NAME
from infra_runtime.images.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return bare_base(tmp_path / "base")


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_changed_byte_is_an_error(layout: Layout) -> None:
    image = layout.find()
    damage(layout.path(image.digest))

    with pytest.raises(IntegrityError, match=f"the bytes of {image.digest} have the digest sha256:"):
        layout.read(image)


def test_a_blob_with_half_of_its_bytes_is_an_error(layout: Layout) -> None:
    image = layout.find()
    path = layout.path(image.digest)
    path.write_bytes(path.read_bytes()[: image.size // 2])

    with pytest.raises(IntegrityError, match=f"has {image.size // 2} bytes instead of {image.size}"):
        layout.read(image)


def test_a_missing_blob_is_an_error(layout: Layout) -> None:
    image = layout.find()
    layout.path(image.digest).unlink()

    with pytest.raises(IntegrityError, match=f"the blob {image.digest} is missing"):
        layout.read(image)


def test_an_image_is_found_by_tag_or_digest(layout: Layout) -> None:
    image = layout.find()
    layout.save([replace(image, annotations={REF_NAME: "1.2"})])

    assert layout.find("1.2").digest == layout.find(image.digest).digest == image.digest
    with pytest.raises(ImageError, match=r"no image 1\.3; its images: 1\.2"):
        layout.find("1.3")


def test_a_new_index_removes_the_blobs_of_old_images(layout: Layout) -> None:
    old = {path.name for path in layout.path(layout.find().digest).parent.iterdir()}
    manifest = layout.add(b"{}", documents.EMPTY)
    layout.save([manifest])

    assert len(old) == 3
    assert [path.name for path in layout.path(manifest.digest).parent.iterdir()] == [
        manifest.digest.removeprefix("sha256:")
    ]


def test_a_digest_that_is_a_path_is_an_error(layout: Layout) -> None:
    with pytest.raises(ImageError, match="must be `sha256:`"):
        layout.path("sha256:../../index.json")


def test_another_folder_is_not_a_layout(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"is not an OCI layout: oci-layout or index\.json is missing"):
        Layout.open(tmp_path)


def test_a_copied_blob_is_checked(layout: Layout, tmp_path: Path) -> None:
    image = layout.find()
    other = Layout.create(tmp_path / "other")
    damage(layout.path(image.digest))

    with pytest.raises(IntegrityError):
        other.copy_from(layout, image)
    assert list(other.path(image.digest).parent.iterdir()) == []
