"""An OCI layout: a folder with the blobs of images (the name of a blob is its digest) and an index.

A blob gets its name only after all its bytes are written and hashed, and a rename replaces `index.json`.
Therefore, if the disk is full or the process is killed, the old images are unchanged, and no blob is
incomplete.

Source: OCI, "Image Format Specification" 1.1, "Image Layout Specification".
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from infra_runtime.errors import ImageError, IntegrityError
from infra_runtime.images import documents
from infra_runtime.images.documents import REF_NAME, Descriptor

_MARKER = b'{"imageLayoutVersion":"1.0.0"}'
_BLOCK = 1 << 20
_TEMPORARY = ".new-"


class HashingFile:
    """A writable file that computes the SHA-256 and the number of the written bytes."""

    def __init__(self, inner: IO[bytes]) -> None:
        self._inner, self._hash, self.size = inner, hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        """Write bytes to the file and to the hash; return the number of bytes."""
        self._hash.update(data)
        self.size += len(data)
        self._inner.write(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: the inner file is flushed when it is closed."""

    @property
    def digest(self) -> str:
        """The digest of all bytes that have been written."""
        return f"sha256:{self._hash.hexdigest()}"


class Layout:
    """An OCI layout in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, folder: Path) -> Layout:
        """Return the layout in a folder, which is created if necessary."""
        (folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        if not (folder / "oci-layout").exists():
            replace_file(folder / "oci-layout", _MARKER)
        return cls(folder)

    @classmethod
    def open(cls, folder: Path) -> Layout:
        """Return the existing layout in a folder. Raises `ImageError` if the folder is not an OCI layout."""
        if not (folder / "index.json").is_file() or not (folder / "oci-layout").is_file():
            raise ImageError(
                str(folder), "the folder is not an OCI layout: oci-layout or index.json is missing"
            )
        return cls(folder)

    def path(self, digest: str) -> Path:
        """Return the path of a blob, whether or not the blob exists."""
        return (
            self.folder
            / "blobs"
            / "sha256"
            / documents.checked_digest(digest, str(self.folder)).removeprefix("sha256:")
        )

    @contextlib.contextmanager
    def writer(self) -> Iterator[HashingFile]:
        """Yield a file for a new blob, which gets its name at the end of the `with` statement.

        After an error, the bytes are removed.
        """
        with _temporary(self.folder / "blobs" / "sha256") as (file, temporary):
            hashing = HashingFile(file)
            yield hashing
            file.flush()
            temporary.replace(self.path(hashing.digest))

    def add(self, data: bytes, media_type: str) -> Descriptor:
        """Write a blob, and return its descriptor."""
        with self.writer() as file:
            file.write(data)
        return Descriptor(media_type=media_type, digest=file.digest, size=file.size)

    def copy_from(self, other: Layout, descriptor: Descriptor) -> None:
        """Copy a blob from another layout and check it, unless this layout already contains it."""
        if self.has(descriptor):
            return
        with self.writer() as file:
            for block in other.blocks(descriptor):
                file.write(block)

    def link_from(self, other: Layout, descriptor: Descriptor) -> None:
        """Add a blob from another layout as a hard link or a copy; the caller has checked the blob."""
        if not self.has(descriptor):
            try:
                self.path(descriptor.digest).unlink(missing_ok=True)
                self.path(descriptor.digest).hardlink_to(other.path(descriptor.digest))
            except OSError:  # the other layout is on another file system
                self.copy_from(other, descriptor)

    def has(self, descriptor: Descriptor) -> bool:
        """Return whether the layout contains a blob with this digest and size; the bytes are not read."""
        try:
            return self.path(descriptor.digest).stat().st_size == descriptor.size
        except FileNotFoundError:
            return False

    def blocks(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield the bytes of a blob.

        Raises `IntegrityError` if the blob is missing or differs from the descriptor. The error can be raised
        after the last block.
        """
        hashing, size = hashlib.sha256(), 0
        location = str(self.folder)
        try:
            with self.path(descriptor.digest).open("rb") as file:
                while block := file.read(_BLOCK):
                    hashing.update(block)
                    size += len(block)
                    yield block
        except FileNotFoundError:
            raise IntegrityError(location, f"the blob {descriptor.digest} is missing", _HINT) from None
        if size != descriptor.size:
            raise IntegrityError(
                location, f"{descriptor.digest} has {size} bytes instead of {descriptor.size}", _HINT
            )
        if (actual := f"sha256:{hashing.hexdigest()}") != descriptor.digest:
            raise IntegrityError(
                location, f"the bytes of {descriptor.digest} have the digest {actual}", _HINT
            )

    def read(self, descriptor: Descriptor) -> bytes:
        """Return the bytes of a document, after a check of their size and digest.

        Raises `IntegrityError` if the check fails, and `ImageError` if the document is too long.
        """
        if descriptor.size > documents.LIMIT:
            raise ImageError(
                str(self.folder),
                f"the document {descriptor.digest} has {descriptor.size} bytes, more than {documents.LIMIT}",
            )
        return b"".join(self.blocks(descriptor))

    def document(self, descriptor: Descriptor) -> dict[str, Any]:
        """Return the JSON object in a blob, after a check of its size and digest."""
        return documents.parse(self.read(descriptor), f"{self.folder}: {descriptor.digest}")

    def images(self) -> list[Descriptor]:
        """Return the descriptors in `index.json`; an empty list if the file does not exist yet."""
        path = self.folder / "index.json"
        if not path.exists():
            return []
        if path.stat().st_size > documents.LIMIT:
            raise ImageError(str(path), f"the index of the images has more than {documents.LIMIT} bytes")
        return documents.descriptors(documents.parse(path.read_bytes(), str(path)), "manifests", str(path))

    def find(self, reference: str = "") -> Descriptor:
        """Return the image with a tag or digest; if `reference` is empty, the only image of the layout.

        Raises `ImageError` if the layout contains no such image or several such images.
        """
        images = self.images()
        matching_images = [
            image
            for image in images
            if not reference or reference in {image.digest, image.annotations.get(REF_NAME)}
        ]
        if len({image.digest for image in matching_images}) == 1:
            return matching_images[0]
        names = sorted({image.annotations.get(REF_NAME, image.digest) for image in images})
        requested_image = f"no image {reference}" if reference else f"{len(images)} images instead of one"
        hint = "Add the tag or the digest of the image." if names else ""
        raise ImageError(
            str(self.folder),
            f"the layout contains {requested_image}; its images: {', '.join(names) or 'none'}",
            hint,
        )

    def save(self, images: Iterable[Descriptor]) -> None:
        """Write `images` as the new index, and remove the blobs that none of these images uses."""
        images = list(images)
        replace_file(self.folder / "index.json", documents.index(images))
        used_digests = {digest.removeprefix("sha256:") for image in images for digest in self.tree(image)}
        for path in (self.folder / "blobs" / "sha256").iterdir():
            if path.name not in used_digests and not path.name.startswith(_TEMPORARY):
                path.unlink()

    def is_complete(self, image: Descriptor) -> bool:
        """Return whether the layout contains all blobs of an image; their bytes are not read."""
        try:
            return all(map(self.has, self.closure(image)))
        except (ImageError, IntegrityError):
            return False

    def tree(self, descriptor: Descriptor) -> Iterator[str]:
        """Yield the digests of an image and of all blobs to which it refers directly or indirectly."""
        yield from (blob.digest for blob in self.closure(descriptor))

    def closure(self, descriptor: Descriptor) -> Iterator[Descriptor]:
        """Yield the descriptors of all blobs of an image; a blob comes after the blobs to which it refers."""
        location = f"{self.folder}: {descriptor.digest}"
        if descriptor.media_type in documents.INDEXES:
            for manifest in documents.descriptors(self.document(descriptor), "manifests", location):
                yield from self.closure(manifest)
        elif descriptor.media_type in documents.MANIFESTS:
            document = self.document(descriptor)
            yield Descriptor.from_json(document.get("config"), location)
            yield from documents.descriptors(document, "layers", location)
        yield descriptor


_HINT = "The blob is damaged or incomplete, and is not used. Build or pull the image again."


@contextlib.contextmanager
def disk_errors(folder: Path, hint: str) -> Iterator[None]:
    """Convert an error of the file system in the `with` statement, such as a full disk, to `ImageError`.

    If the original error has no path, the message contains `folder` instead.
    """
    try:
        yield
    except OSError as error:
        problem = f"a file cannot be written or read: {error.strerror or error}"
        raise ImageError(error.filename or str(folder), problem, hint) from error


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """Yield a new file; if the `with` statement ends without an error, it replaces the file at `path`."""
    with _temporary(path.parent) as (file, temporary):
        yield file
        file.flush()
        os.fsync(file.fileno())
        temporary.replace(path)


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """Yield a new file in a folder and its path; the file is removed, unless the caller renames it."""
    number, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=folder)
    path = Path(name)
    try:
        os.fchmod(number, 0o644)
        with open(number, "wb") as file:  # noqa: PTH123 - a file descriptor
            yield file, path
    finally:
        path.unlink(missing_ok=True)


def replace_file(path: Path, data: bytes) -> None:
    """Replace the file at `path` by a file with these bytes."""
    with replaced(path) as file:
        file.write(data)
