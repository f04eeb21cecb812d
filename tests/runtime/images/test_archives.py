"""Archives of images that this project has written, and those of `docker save`."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from fakes.base_image import bare_base
from infra_runtime.errors import ImageError, IntegrityError
from infra_runtime.images import documents
from infra_runtime.images.archives import read_archive, write_archive


def tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_a_written_archive_is_the_same_each_time_and_can_be_read(tmp_path: Path) -> None:
    layout = bare_base(tmp_path / "base")
    image = layout.find()
    for name in ("one.tar", "two.tar"):
        write_archive(layout, image, tmp_path / name, ["shop/api:1"], time=7)

    read = read_archive(tmp_path / "one.tar", tmp_path / "read")

    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    assert read.find().digest == image.digest
    assert read.document(read.find()) == layout.document(image)
    with tarfile.open(tmp_path / "one.tar") as archive:
        file = archive.extractfile("manifest.json")
        assert file is not None
        (docker,) = json.load(file)
    assert docker["RepoTags"] == ["shop/api:1"]


def docker_archive(tmp_path: Path) -> dict[str, bytes]:
    """Return the files of an archive in the form of Docker before 25."""
    layout = bare_base(tmp_path / "base")
    manifest = layout.document(layout.find())
    (layer,) = documents.descriptors(manifest, "layers", "")
    config = documents.Descriptor.from_json(manifest["config"], "")
    listing = [{"Config": "c.json", "RepoTags": ["shop/base:7"], "Layers": ["1/layer.tar"]}]
    return {
        "c.json": layout.read(config),
        "1/layer.tar": layout.path(layer.digest).read_bytes(),
        "manifest.json": json.dumps(listing).encode(),
    }


def test_an_archive_of_docker_save_becomes_a_layout(tmp_path: Path) -> None:
    path = tar(tmp_path / "saved.tar", docker_archive(tmp_path))
    layout = read_archive(path, tmp_path / "read")

    image = layout.find("7")
    config = layout.document(documents.Descriptor.from_json(layout.document(image)["config"], ""))
    assert config["architecture"] == "amd64"
    assert all(layout.read(blob) for blob in layout.closure(image))


@pytest.mark.parametrize("name", ["../c.json", "/etc/passwd", "missing.json"])
def test_a_path_outside_of_the_archive_is_an_error(tmp_path: Path, name: str) -> None:
    files = docker_archive(tmp_path)
    files["manifest.json"] = json.dumps([{"Config": name, "Layers": []}]).encode()

    with pytest.raises(ImageError, match="the archive does not contain"):
        read_archive(tar(tmp_path / "saved.tar", files), tmp_path / "read")


def test_an_entry_that_leaves_the_folder_is_an_error(tmp_path: Path) -> None:
    path = tar(tmp_path / "bad.tar", {"../escaped": b"x"})

    with pytest.raises(IntegrityError, match=r"has an absolute path or `\.\.`"):
        read_archive(path, tmp_path / "read")
    assert not (tmp_path / "escaped").exists()


def test_an_archive_without_an_image_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"neither index\.json nor manifest\.json"):
        read_archive(tar(tmp_path / "files.tar", {"a": b""}), tmp_path / "read")
