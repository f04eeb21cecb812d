"""Unpack the layers of an image into a folder, the root file system of a container.

No file is written outside of the folder, and devices are not unpacked.
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
    """Unpack all layers of an image into an empty folder.

    Raises `IntegrityError` if a layer is damaged, or contains a path that leaves the folder.
    """
    folder.mkdir(parents=True)
    for layer in image.layers:
        with plain_layer(image.layout, layer) as file, damage_reported(image.name, layer):
            _unpack(file, folder, image.name)
            while file.read(1 << 18):  # the digest is checked at the end
                pass


def _unpack(file: IO[bytes], folder: Path, name: str) -> None:
    added: set[Path] = set()  # the paths of this layer, which its own whiteouts do not hide
    with tarfile.open(fileobj=file, mode="r|") as archive:
        for member in archive:
            parent, _, last = member.name.rstrip("/").rpartition("/")
            if last == OPAQUE:
                _clear(_inside(folder, parent, name), added)
            elif last.startswith(WHITEOUT):
                _remove(folder, parent, last.removeprefix(WHITEOUT), name)
            elif not member.isdev():
                try:
                    checked = tarfile.tar_filter(member, str(folder))
                except tarfile.FilterError as error:
                    raise IntegrityError(name, f"a layer is unsafe to unpack: {error}", _HINT) from None
                path = folder / member.name.lstrip("/")
                _replace(path, member)
                added.update([path, *path.parents])
                archive.extract(checked, folder, filter="fully_trusted")


_HINT = "The image was not started. Use an image from another source."


def _replace(path: Path, member: tarfile.TarInfo) -> None:
    """Remove the file or folder of a lower layer at the path of an entry, unless both are folders."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir() and not member.isdir():
        shutil.rmtree(path)


def _inside(folder: Path, parent: str, name: str) -> Path:
    path = folder / parent.lstrip("/")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise IntegrityError(name, f"a layer removes files outside of the image: {parent}", _HINT)
    return path


def _clear(path: Path, kept: set[Path]) -> None:
    """Remove all files and folders in a folder, except for these paths."""
    for entry in path.iterdir() if path.is_dir() else ():
        if entry not in kept:
            _delete(entry)
        elif entry.is_dir() and not entry.is_symlink():
            _clear(entry, kept)


def _remove(folder: Path, parent: str, entry: str, name: str) -> None:
    path = _inside(folder, parent, name) / entry
    if entry in {"", ".", ".."}:
        raise IntegrityError(name, f"a layer removes files outside of the image: {parent}/{entry}", _HINT)
    _delete(path)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
