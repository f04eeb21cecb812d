"""Unpack the layers of an image into a folder, which is the root file system of a container.

No file is written outside of the folder, and devices and pipes are not unpacked.
"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import IO

from infra_runtime.errors import IntegrityError
from infra_runtime.images.base_image import BaseImage, damage_reported, plain_layer
from infra_runtime.images.documents import OPAQUE, WHITEOUT


def unpack_image(image: BaseImage, folder: Path) -> None:
    """Unpack all layers of an image into a new folder.

    Raises `IntegrityError` if a layer is damaged, or contains a path that leaves the folder, and `ImageError`
    if its compression is not supported.
    """
    folder.mkdir(parents=True)
    for layer in image.layers:
        with plain_layer(image.layout, layer) as file, damage_reported(image.name, layer):
            _unpack(file, folder, image.name)
            while file.read(1 << 18):  # the digest is checked at the end of the layer
                pass


def _unpack(file: IO[bytes], folder: Path, name: str) -> None:
    new_paths: set[Path] = set()  # the paths of this layer; the whiteouts of this layer do not hide them
    with tarfile.open(fileobj=file, mode="r|") as archive:
        for member in archive:
            parent, _, file_name = member.name.rstrip("/").rpartition("/")
            if file_name == OPAQUE:
                _clear(_inside(folder, parent, name), new_paths)
            elif file_name.startswith(WHITEOUT):
                _remove(folder, parent, file_name.removeprefix(WHITEOUT), name)
            elif not member.isdev():
                try:
                    checked = tarfile.tar_filter(member, str(folder))
                except tarfile.FilterError as error:
                    raise IntegrityError(name, f"a layer is unsafe to unpack: {error}", _HINT) from None
                path = folder / member.name.lstrip("/")
                _replace(path, member)
                new_paths.update([path, *path.parents])
                archive.extract(checked, folder, filter="fully_trusted")


_HINT = "The image is not started. Use an image from another source."


def _replace(path: Path, member: tarfile.TarInfo) -> None:
    """Remove the file or folder of a lower layer at `path`, unless it and `member` are both folders."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir() and not member.isdir():
        shutil.rmtree(path)


def _inside(folder: Path, parent: str, name: str) -> Path:
    path = folder / parent.lstrip("/")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise IntegrityError(name, f"a layer would remove files outside of the image: {parent}", _HINT)
    return path


def _clear(path: Path, remaining: set[Path]) -> None:
    """Remove all files and folders in `path`, except the paths in `remaining`."""
    for entry in path.iterdir() if path.is_dir() else ():
        if entry not in remaining:
            _delete(entry)
        elif entry.is_dir() and not entry.is_symlink():
            _clear(entry, remaining)


def _remove(folder: Path, parent: str, entry: str, name: str) -> None:
    path = _inside(folder, parent, name) / entry
    if entry in {"", ".", ".."}:
        raise IntegrityError(
            name, f"a layer contains a whiteout that does not name a file: {parent}/.wh.{entry}", _HINT
        )
    _delete(path)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
