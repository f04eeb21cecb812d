"""Use a tar file with a root file system, such as the output of mmdebstrap, as a base image with one layer.

The layer is reproducible: names are sorted, hard links come after their targets, times are not later than
SOURCE_DATE_EPOCH, and files that differ between two builds or that a container does not need are left out.
"""

from __future__ import annotations

import re
import tarfile
from pathlib import Path
from typing import IO, cast

from infra_runtime.errors import ImageError, IntegrityError
from infra_runtime.images import documents
from infra_runtime.images.layers import archive_format, layer_of
from infra_runtime.images.layout import Layout

#: the patterns of the left out files: logs, caches, lists of packages, devices, bytecode; their folders are
#: not left out, except `__pycache__`
_LEFT_OUT = re.compile(
    r"(var/log|var/cache/apt|var/cache/ldconfig|var/lib/apt/lists|dev|proc|sys|run|tmp)/.*|.*\.pyc|.*/__pycache__"
)
#: the name of a file of the C library → the architecture of the image
_LOADERS = {"ld-linux-x86-64.so.2": "amd64", "ld-linux-aarch64.so.1": "arm64", "ld-musl-x86_64.so.1": "amd64"}
#: Source: Debian, the default PATH of login(1)
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KINDS = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE)


def is_root_archive(path: Path) -> bool:
    """Return whether a tar file contains a root file system (a folder `usr`) and not an image.

    The function stops reading the archive as soon as the result is known.
    """
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = _name(member)
                if name in {"index.json", "manifest.json", "oci-layout"} or name.startswith("blobs/"):
                    return False
                if name == "usr" or name.startswith("usr/"):
                    return True
    except (tarfile.TarError, EOFError) as error:
        raise IntegrityError(str(path), f"the archive is damaged: {error}") from error
    return False


def read_root_archive(path: Path, into: Path, *, time: int) -> Layout:
    """Write the image of a root file system to a new layout in the folder `into`.

    No file of the image is later than `time`, in seconds since 1970.

    Raises `ImageError` if the architecture is unknown, and `IntegrityError` if the archive is damaged.
    """
    layout = Layout.create(into)
    try:
        with tarfile.open(path) as source:
            members = [member for member in source if _is_kept(member)]
            members.sort(key=lambda member: (member.islnk(), _name(member).split("/")))

            def write(archive: tarfile.TarFile) -> None:
                for member in members:
                    _add(archive, member, source.extractfile(member) if member.isreg() else None, time)

            layer = layer_of(layout, write)
    except (tarfile.TarError, EOFError) as error:
        raise IntegrityError(str(path), f"the archive is damaged: {error}") from error
    architecture = next(filter(None, (_LOADERS.get(Path(_name(member)).name) for member in members)), "")
    if not architecture:
        raise ImageError(
            str(path),
            "the processor of the root file system is unknown: it has none of the files "
            f"{', '.join(_LOADERS)}",
        )
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Env": [f"PATH={DEFAULT_PATH}"]},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
    }
    descriptor = layout.add(documents.json_bytes(config), documents.CONFIG)
    manifest = documents.manifest(descriptor, [layer.descriptor], {})
    layout.save([layout.add(manifest, documents.MANIFEST)])
    return layout


def _name(member: tarfile.TarInfo) -> str:
    return member.name.removeprefix("./").strip("/")


def _is_kept(member: tarfile.TarInfo) -> bool:
    name = _name(member)
    return bool(name) and name != "." and member.type in _KINDS and not _LEFT_OUT.fullmatch(name)


def _add(archive: tarfile.TarFile, member: tarfile.TarInfo, content: IO[bytes] | None, time: int) -> None:
    info = tarfile.TarInfo(_name(member))
    info.type, info.mode, info.uid, info.gid = member.type, member.mode, member.uid, member.gid
    info.size = member.size if member.isreg() else 0
    info.linkname = member.linkname.removeprefix("./") if member.islnk() else member.linkname
    info.mtime = min(int(member.mtime), time)
    archive.format = archive_format(info)
    archive.addfile(info, cast("IO[bytes]", content))
