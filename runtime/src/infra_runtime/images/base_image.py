"""The base image of a build, and data from the layers of the base image."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import re
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

from infra_runtime.binaries import lockfile
from infra_runtime.errors import ImageError, IntegrityError
from infra_runtime.host import file_lock
from infra_runtime.images import documents
from infra_runtime.images.archives import read_archive
from infra_runtime.images.documents import OPAQUE, WHITEOUT, Descriptor, Platform
from infra_runtime.images.layout import Layout, disk_errors
from infra_runtime.images.project import source_date_epoch
from infra_runtime.images.reference import parse_reference
from infra_runtime.images.root_archive import is_root_archive, read_root_archive
from infra_runtime.value import frozen

_PYTHON = re.compile(r"(?P<folder>(?:usr/|usr/local/|opt/[^/]+/)?bin)/python(?P<version>3\.\d+)")
#: the files that are read from the layers: the list of packages of Debian, and the name of the distribution
_STATUS, _RELEASE = "var/lib/dpkg/status", "etc/os-release"
_FILES = frozenset({_STATUS, _RELEASE, "usr/lib/os-release"})
#: the size limit for each of these files in bytes; a file of this size or more is ignored
_LIMIT = 64 << 20
#: the media types of compressed layers that can be read; other compressions are not supported
_GZIP = frozenset({documents.LAYER_GZIP, documents.DOCKER_LAYER})


@frozen
class Source:
    """The image that a user has selected, in a layout: a manifest, or an index for several platforms."""

    layout: Layout
    image: Descriptor
    #: the path or the reference as the user wrote it
    name: str
    is_local: bool


@frozen
class BaseImage:
    """A base image for one platform."""

    layout: Layout
    manifest: Descriptor
    config: Mapping[str, Any]
    layers: tuple[Descriptor, ...]
    platform: Platform
    #: the name of the image, for messages
    name: str

    @property
    def diff_ids(self) -> list[str]:
        """The digests of the uncompressed layers."""
        return list(self.config.get("rootfs", {}).get("diff_ids", []))


@frozen
class Contents:
    """Data from the layers of an image: the Python interpreters, and the files that list its packages."""

    #: version of Python, such as `3.13` → the absolute path of its interpreter
    pythons: Mapping[str, str]
    #: the text of `var/lib/dpkg/status`; empty if it is missing
    dpkg_status: str = ""
    os_release: str = ""

    def python(self, version: str, name: str) -> tuple[str, str]:
        """Return the version and the path of a Python interpreter in the image.

        `version` is the version to search for, such as `3.13`; if it is empty, the newest interpreter is
        returned.

        Raises `ImageError` if the image does not contain such an interpreter; `name` is the name of the
        image.
        """
        versions = sorted(self.pythons, key=lambda text: int(text.partition(".")[2]), reverse=True)
        selected_version = version or next(iter(versions), "")
        if selected_version in self.pythons:
            return selected_version, self.pythons[selected_version]
        problem = "the base image contains no Python interpreter"
        if versions:
            problem = f"the base image does not contain Python {version}; it contains: {', '.join(versions)}"
        raise ImageError(name, problem, "Use a base image with Python, such as python:3.13-slim.")


def open_base(
    text: str,
    cache: Path,
    temporary: Path,
    *,
    lock: Path,
    insecure: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> Source:
    """Return the base image that a user has selected.

    `text` is `PATH`, `PATH:TAG` or `PATH@DIGEST` of an OCI layout or an archive, a tar file with a root file
    system, or a reference to an image in a registry. A reference without a digest gets the digest in the file
    `lock`; if the file does not contain it, the current digest is written to the file, and `report` is called
    with a line of text. Images of registries are stored in the layout `cache`, and archives are unpacked into
    the folder `temporary`.

    Raises `ImageError` if the image does not exist, or a file cannot be written, and `IntegrityError` if the
    image is damaged.
    """
    hint = (
        "Check the owner and the free space of the folder. XDG_CACHE_HOME selects another folder for"
        f" {cache}, and TMPDIR for temporary files."
    )
    with disk_errors(cache, hint):
        return _opened(text, cache, temporary, lock, report, insecure=insecure)


def _opened(
    text: str, cache: Path, temporary: Path, lock: Path, report: Callable[[str], None], *, insecure: bool
) -> Source:
    path, reference = _split(text)
    if path.is_dir() or path.is_file():
        layout = Layout.open(path) if path.is_dir() else _from_file(path, cache, temporary)
        return Source(layout=layout, image=layout.find(reference), name=text, is_local=True)
    if "/" not in text.strip("/") and "@" not in text and not text.endswith(".tar"):
        text = f"docker.io/library/{text}"
    parsed = parse_reference(text)
    # imported here because a local base image needs no HTTP client
    from infra_runtime.images.registry import Registry

    layout = Layout.create(cache)
    with Registry(parsed, insecure=insecure) as registry:
        if not parsed.digest:
            parsed = replace(parsed, tag=parsed.tag or "latest")
            current = partial(registry.resolve, parsed.tag)
            parsed = replace(parsed, digest=_locked_digest(str(parsed), lock, current, report))
        image = _stored(layout, parsed.digest)
        if image is None:
            waits = f"waiting for another build, which pulls a base image into {cache}"
            # `save` replaces the whole index and removes all blobs that the new index does not use, so only
            # one process may do this at a time.
            with file_lock.folder(cache, lambda: report(waits)):
                image = _stored(layout, parsed.digest)
                if image is None:
                    image = registry.pull(parsed.digest, layout)
                    other_images = [other for other in layout.images() if other.digest != parsed.digest]
                    layout.save([*other_images, image])
    return Source(layout=layout, image=image, name=str(parsed), is_local=False)


def _stored(layout: Layout, digest: str) -> Descriptor | None:
    """Return the image with this digest; None if the layout lacks the image or one of its blobs."""
    stored = (image for image in layout.images() if image.digest == digest)
    return next(filter(layout.is_complete, stored), None)


def _locked_digest(
    name: str, lock: Path, current: Callable[[], Descriptor], report: Callable[[str], None]
) -> str:
    """Return the digest of an image in a lock file; if it is missing, add the current digest to the file."""
    if digest := lockfile.read(lock).images.get(name):
        return digest
    digest = current().digest
    lockfile.update(lock, images={name: digest})
    report(f"{lock}: {name} has the digest {digest}")
    return digest


def _from_file(path: Path, cache: Path, temporary: Path) -> Layout:
    """Return the layout of an archive.

    The image that is built from a root file system is stored in a folder beside `cache` and used again,
    because the compression is slow.
    """
    if not is_root_archive(path):
        return read_archive(path, temporary)
    time = source_date_epoch()
    stored = cache.with_name(f"{cache.name}-of-roots") / f"{lockfile.sha256(path)[:32]}-{time}"
    if not stored.is_dir():
        stored.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=stored.parent) as folder:
            layout = read_root_archive(path, Path(folder) / "layout", time=time)
            with contextlib.suppress(FileExistsError):  # of another process
                layout.folder.rename(stored)
    return Layout.open(stored)


def _split(source: str) -> tuple[Path, str]:
    """Return the path in `PATH`, `PATH:TAG` or `PATH@DIGEST`, and the tag or digest (empty if missing)."""
    text = source.removeprefix("oci:").removeprefix("docker-archive:").removeprefix("oci-archive:")
    if Path(text).exists():
        return Path(text), ""
    path, separator, digest = text.partition("@")
    if separator:
        return Path(path), digest
    path, _, tag = text.rpartition(":")
    return Path(path or text), tag if path else ""


def select(layout: Layout, image: Descriptor, platform: Platform | None, name: str) -> BaseImage:
    """Return the image for a platform; if `platform` is None, the image for the only platform.

    `image` is a manifest or an index.

    Raises `ImageError` if the image does not exist for the platform, or its documents are not valid.
    """
    location = f"{name} ({layout.folder})"
    if image.media_type in documents.INDEXES:
        manifests = documents.descriptors(layout.document(image), "manifests", location)
        offers = [offer for offer in manifests if offer.platform and offer.platform.os != "unknown"]
        matching_images = [
            offer for offer in offers if platform is None or str(offer.platform) == str(platform)
        ]
        if not matching_images or (platform is None and len(matching_images) > 1):
            names = ", ".join(str(offer.platform) for offer in offers) or "none"
            problem = f"does not exist for {platform}" if platform else "does not have exactly one platform"
            hint = "Select an existing platform with --platform." if offers else ""
            raise ImageError(name, f"the image {problem}; its platforms: {names}", hint)
        return select(layout, matching_images[0], platform, name)
    if image.media_type not in documents.MANIFESTS:
        raise ImageError(
            location,
            f"{image.digest} has the media type {image.media_type}, which is not the type of an image",
        )
    document = layout.document(image)
    config = layout.document(Descriptor.from_json(document.get("config"), location))
    own_platform = Platform(
        os=str(config.get("os", "linux")), architecture=str(config.get("architecture", ""))
    )
    if platform is not None and str(own_platform) != str(platform):
        raise ImageError(name, f"the image does not exist for {platform}, only for {own_platform}")
    base = BaseImage(
        layout=layout,
        manifest=image,
        config=config,
        layers=tuple(documents.descriptors(document, "layers", location)),
        platform=own_platform,
        name=name,
    )
    if len(base.diff_ids) != len(base.layers):
        raise ImageError(
            location, "the configuration and the manifest of the image contain different numbers of layers"
        )
    return base


def contents(base: BaseImage) -> Contents:
    """Return the interpreters and the lists of packages in the layers of an image.

    Raises `IntegrityError` if a layer is damaged, or differs from its `diff_id` in the configuration, and
    `ImageError` if its compression is not supported.
    """
    files: dict[str, str] = {}
    for layer, diff_id in zip(base.layers, base.diff_ids, strict=True):
        with plain_layer(base.layout, layer) as plain, damage_reported(base.name, layer):
            file = _HashingReader(plain)
            files = _with_layer(files, cast("IO[bytes]", file))
            while file.read(1 << 18):  # at the end of the blob, its digest is checked
                pass
            if file.digest != diff_id:
                problem = f"the layer {layer.digest} unpacks to {file.digest} instead of {diff_id}"
                raise IntegrityError(base.name, problem)
    pythons = {match["version"]: f"/{name}" for name in files if (match := _PYTHON.fullmatch(name))}
    release = files.get("etc/os-release") or files.get("usr/lib/os-release", "")
    return Contents(pythons=pythons, dpkg_status=files.get(_STATUS, ""), os_release=release)


def _with_layer(below: Mapping[str, str], file: IO[bytes]) -> dict[str, str]:
    """Return the mapping from file name to text for `below` with one more layer, which is read from `file`.

    The mapping contains only the Python interpreters (with an empty text) and the files in `_FILES`. A
    whiteout is a file in the layer that hides files of the layers below, but not files of the same layer:
    `.wh.NAME` hides NAME and everything in it, `.wh..wh..opq` hides everything in the folder that contains
    the whiteout. Source: OCI image specification, "Layer", "Whiteouts".
    """
    new_files: dict[str, str] = {}
    hidden: set[str] = set()
    with tarfile.open(fileobj=file, mode="r|") as archive:
        for member in archive:
            name = member.name.removeprefix("./").lstrip("/")
            folder, _, file_name = name.rpartition("/")
            if file_name == OPAQUE:
                hidden.add(f"{folder}/")
            elif file_name.startswith(WHITEOUT):
                hidden.add(f"{folder}/{file_name.removeprefix(WHITEOUT)}/".lstrip("/"))
            elif _PYTHON.fullmatch(name):
                new_files[name] = ""
            elif name in _FILES and member.isreg() and member.size < _LIMIT:
                content = archive.extractfile(member)
                new_files[name] = content.read().decode("utf-8", "replace") if content else ""
    # Each folder of a path, and the path itself, ends with a slash; the root of the image is "/".
    remaining_files = {name: text for name, text in below.items() if hidden.isdisjoint(_enclosing(name))}
    return {**remaining_files, **new_files}


def _enclosing(name: str) -> list[str]:
    parts = name.split("/")
    return ["/", *("/".join(parts[: number + 1]) + "/" for number in range(len(parts)))]


class _HashingReader:
    """A file that computes the digest of the bytes that are read from it."""

    def __init__(self, inner: IO[bytes]) -> None:
        self._inner, self._hash = inner, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most `size`, and add them to the digest."""
        data = self._inner.read(size)
        self._hash.update(data)
        return data

    @property
    def digest(self) -> str:
        """The digest of all bytes that have been read."""
        return f"sha256:{self._hash.hexdigest()}"


class _Blocks(io.RawIOBase):
    """A file with the bytes of a blob, which are checked while they are read."""

    def __init__(self, layout: Layout, descriptor: Descriptor) -> None:
        self._blocks, self._rest = layout.blocks(descriptor), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or next(self._blocks, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def plain_layer(layout: Layout, layer: Descriptor) -> IO[bytes]:
    """Return a file with the uncompressed bytes of a layer; its digest is checked at the end of the file."""
    blob = cast("IO[bytes]", io.BufferedReader(_Blocks(layout, layer), 1 << 18))
    if layer.media_type in _GZIP:
        return cast("IO[bytes]", gzip.GzipFile(fileobj=blob))
    if layer.media_type.endswith(".tar"):
        return blob
    raise ImageError(
        str(layout.folder),
        f"the layer {layer.digest} has the media type {layer.media_type}, which is not supported",
        "Compress the layers with gzip: `skopeo copy --dest-compress-format gzip`.",
    )


@contextlib.contextmanager
def damage_reported(name: str, layer: Descriptor) -> Iterator[None]:
    """Convert the exceptions for a damaged layer to `IntegrityError`; `name` is the name of the image."""
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise IntegrityError(name, f"the layer {layer.digest} is damaged: {error}") from error
