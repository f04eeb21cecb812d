"""Archives of images: tar files from this project, from `docker save`, from podman and from skopeo."""

from __future__ import annotations

import json
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, cast

from infra_runtime.binaries.unpacking import unpack
from infra_runtime.errors import ImageError
from infra_runtime.images import documents
from infra_runtime.images.documents import Descriptor
from infra_runtime.images.layers import Entry, add_entry
from infra_runtime.images.layout import Layout, replaced


def write_archive(layout: Layout, image: Descriptor, path: Path, names: Sequence[str], *, time: int) -> None:
    """Write an image as a tar file: an OCI layout that also contains Docker's `manifest.json`.

    `names` are the names of the image after `docker load`, such as `shop/api:0.1.0`; `image` is a manifest.
    For the same arguments, the bytes of the file are the same.
    """
    manifest = layout.document(image)
    config = Descriptor.from_json(manifest.get("config"), str(layout.folder))
    layers = documents.descriptors(manifest, "layers", str(layout.folder))
    docker = [
        {
            "Config": _name(config),
            "RepoTags": list(names),
            "Layers": [_name(layer) for layer in layers],
        }
    ]
    contents: dict[str, Path | bytes] = {
        "oci-layout": (layout.folder / "oci-layout").read_bytes(),
        "index.json": documents.index([image]),
        "manifest.json": documents.json_bytes(docker),
    }
    for blob in layout.closure(image):
        for _ in layout.blocks(blob):  # checks the blob
            pass
        contents[_name(blob)] = layout.path(blob.digest)
    with replaced(path) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("blobs", "blobs/sha256"):
            add_entry(archive, Entry(name=name), time)
        for name, content in sorted(contents.items()):
            add_entry(archive, Entry(name=name, content=content), time)


def _name(blob: Descriptor) -> str:
    return f"blobs/sha256/{blob.digest.removeprefix('sha256:')}"


def read_archive(path: Path, into: Path) -> Layout:
    """Unpack an archive of images into the folder `into`, and return the layout in it.

    The archive contains an OCI layout, or the files of `docker save`.

    Raises:
        ImageError: the file is not an archive of images.
        IntegrityError: the archive is damaged or unsafe to unpack.
    """
    unpack(path, into)
    if (into / "index.json").is_file():
        Layout.create(into)
        return Layout.open(into)
    if not (into / "manifest.json").is_file():
        raise ImageError(
            str(path),
            "the archive contains neither index.json nor manifest.json, so it is not an archive of images",
        )
    with tempfile.TemporaryDirectory(dir=into.parent) as temporary:
        layout = Layout.create(Path(temporary) / "layout")
        images = [_from_docker(image, into, layout, path) for image in _docker_manifest(into, path)]
        layout.save(images)
        layout.folder.rename(into / "layout")
    return Layout.open(into / "layout")


def _docker_manifest(folder: Path, path: Path) -> list[dict[str, Any]]:
    try:
        images = json.loads((folder / "manifest.json").read_bytes())
    except ValueError as error:
        raise ImageError(str(path), f"manifest.json is not valid JSON: {error}") from None
    if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
        raise ImageError(str(path), "manifest.json must contain a list of images")
    return images


def _from_docker(image: dict[str, Any], folder: Path, layout: Layout, path: Path) -> Descriptor:
    """Copy an image of `docker save` to a layout, and return its manifest."""
    config_bytes = _member(folder, image.get("Config"), path).read_bytes()
    diff_ids = documents.parse(config_bytes, str(path)).get("rootfs", {}).get("diff_ids", [])
    names = image.get("Layers")
    if not isinstance(names, list) or len(names) != len(diff_ids):
        raise ImageError(
            str(path), "the configuration of the image and manifest.json contain different numbers of layers"
        )
    layers = []
    for name in names:
        member = _member(folder, name, path)
        with layout.writer() as blob, member.open("rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            shutil.copyfileobj(file, cast("IO[bytes]", blob))
        media_type = documents.LAYER_GZIP if compressed else documents.LAYER
        layers.append(Descriptor(media_type=media_type, digest=blob.digest, size=blob.size))
    config = layout.add(config_bytes, documents.CONFIG)
    manifest = layout.add(documents.manifest(config, layers, {}), documents.MANIFEST)
    tags = image.get("RepoTags") or [""]
    annotations = {documents.REF_NAME: str(tags[0]).rpartition(":")[2]} if tags[0] else {}
    return Descriptor(
        media_type=manifest.media_type, digest=manifest.digest, size=manifest.size, annotations=annotations
    )


def _member(folder: Path, name: object, path: Path) -> Path:
    member = folder / str(name)
    if (
        not isinstance(name, str)
        or not member.resolve().is_relative_to(folder.resolve())
        or not member.is_file()
    ):
        raise ImageError(str(path), f"the archive does not contain {name!r}, to which manifest.json refers")
    return member
