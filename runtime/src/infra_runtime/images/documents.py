"""The JSON documents of an image: descriptors, manifests, indexes, and their media types.

Source: OCI, "Image Format Specification" 1.1; Docker, "Image Manifest Version 2, Schema 2".
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from infra_runtime.errors import ImageError
from infra_runtime.value import frozen

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
INDEXES = frozenset({INDEX, DOCKER_INDEX})
MANIFESTS = frozenset({MANIFEST, DOCKER_MANIFEST})
#: the annotation with the tag of an image in a layout; the value is a tag without the name of the image,
#: because some clients refuse `app:0.1.0`
REF_NAME = "org.opencontainers.image.ref.name"
#: whiteouts, which are entries of a layer that hide files of lower layers: the prefix of the name that hides
#: one file or folder, and the name that hides all files of a folder. Source: OCI, "Image Format
#: Specification" 1.1, "Whiteouts"
WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
#: the size limit of a document in bytes
LIMIT = 4 << 20
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def json_bytes(value: Any) -> bytes:
    """Return a value as JSON with sorted keys and without spaces, so that equal values have equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest_of(data: bytes) -> str:
    """Return the digest of bytes: `sha256:` and 64 hexadecimal digits."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def checked_digest(digest: object, location: str) -> str:
    """Return a valid digest, which can be part of a path. Raises `ImageError` if it is not valid."""
    if isinstance(digest, str) and _DIGEST.fullmatch(digest):
        return digest
    raise ImageError(
        location,
        f"{digest!r} must be `sha256:` and 64 hexadecimal digits",
        "Other hash functions are not supported.",
    )


@frozen
class Platform:
    """The operating system and the processor of an image."""

    os: str = "linux"
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return f"{self.os}/{self.architecture}"


@frozen
class Descriptor:
    """A reference to a blob: its media type, digest, and size in bytes."""

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    #: the type of an artefact that is not an image, such as an SBOM
    artifact_type: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the descriptor as the JSON object of a manifest or an index."""
        document: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        if self.platform:
            platform = self.platform
            document["platform"] = {"os": platform.os, "architecture": platform.architecture}
            document["platform"] |= {"variant": platform.variant} if platform.variant else {}
        if self.artifact_type:
            document["artifactType"] = self.artifact_type
        return document

    @classmethod
    def from_json(cls, document: Any, location: str) -> Descriptor:
        """Return a descriptor from a manifest or an index. Raises `ImageError` if it is not valid."""
        if not isinstance(document, Mapping):
            raise ImageError(location, "a descriptor is missing, or is not an object")
        size, media_type = document.get("size"), document.get("mediaType", "")
        if not isinstance(size, int) or size < 0 or not isinstance(media_type, str):
            raise ImageError(
                location, f"the descriptor of {document.get('digest')} has no valid size and media type"
            )
        platform = document.get("platform")
        annotations = document.get("annotations") or {}
        return cls(
            media_type=media_type,
            digest=checked_digest(document.get("digest"), location),
            size=size,
            annotations={str(name): str(value) for name, value in annotations.items()},
            platform=_platform(platform) if isinstance(platform, Mapping) else None,
            artifact_type=str(document.get("artifactType", "")),
        )


def _platform(document: Mapping[str, Any]) -> Platform:
    return Platform(
        os=str(document.get("os", "")),
        architecture=str(document.get("architecture", "")),
        variant=str(document.get("variant", "")),
    )


def parse(data: bytes, location: str) -> dict[str, Any]:
    """Return the object in a JSON document. Raises `ImageError` if the document is not a JSON object."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ImageError(location, f"the document is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise ImageError(location, "the document is not a JSON object")
    return document


def descriptors(document: Mapping[str, Any], key: str, location: str) -> list[Descriptor]:
    """Return the descriptors in the list `key` of a manifest or an index, such as `layers`."""
    values = document.get(key)
    if not isinstance(values, list):
        raise ImageError(location, f"the document has no list `{key}`")
    return [Descriptor.from_json(value, location) for value in values]


def manifest(config: Descriptor, layers: list[Descriptor], annotations: Mapping[str, str]) -> bytes:
    """Return the manifest of an image as JSON."""
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.to_json(),
        "layers": [layer.to_json() for layer in layers],
    }
    return json_bytes(document | ({"annotations": dict(annotations)} if annotations else {}))


def index(manifests: list[Descriptor]) -> bytes:
    """Return the index of a layout, or of the manifests for several platforms, as JSON."""
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [image.to_json() for image in manifests]}
    return json_bytes(document)
