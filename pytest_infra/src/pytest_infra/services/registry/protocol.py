"""The requests to a registry that isolation and dumps need.

Sources: OCI, "Distribution Specification" 1.1; for the list of repositories: Distribution 2.8 documentation,
"HTTP API V2", "Listing Repositories".
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any, cast

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.connection import CommandError
from pytest_infra.isolation.http_request import Response, send

#: The media types of manifests. If the type of a manifest is missing here, a registry converts the manifest
#: to another type, and returns the digest of the converted manifest.
_ACCEPT = ", ".join(
    f"application/vnd.{name}+json"
    for name in (
        "oci.image.manifest.v1",
        "oci.image.index.v1",
        "docker.distribution.manifest.v2",
        "docker.distribution.manifest.list.v2",
    )
)
_NEXT = re.compile(r'<([^>]+)>; rel="next"')


def repositories(server: Endpoint, prefix: str) -> list[str]:
    """Return the repositories whose names begin with a prefix."""
    pages = _pages(server, "/v2/_catalog?n=1000")
    return [name for page in pages for name in page["repositories"] or () if name.startswith(prefix)]


def tags(server: Endpoint, repository: str) -> dict[str, str]:
    """Return a mapping from tag to digest of a repository's manifests. Deleted manifests are omitted."""
    try:
        names = [tag for page in _pages(server, f"/v2/{repository}/tags/list") for tag in page["tags"] or ()]
        return {tag: digest for tag in names if (digest := _digest(server, repository, tag))}
    except _MissingError:
        return {}


def manifest(server: Endpoint, repository: str, digest: str) -> dict[str, Any]:
    """Return the manifest with this digest, as JSON data."""
    document = json.loads(_request(server, "GET", f"/v2/{repository}/manifests/{digest}").body)
    return cast("dict[str, Any]", document)


def blob(server: Endpoint, repository: str, digest: str) -> bytes:
    """Return the bytes of a blob."""
    return _request(server, "GET", f"/v2/{repository}/blobs/{digest}").body


def delete(server: Endpoint, repository: str, digest: str) -> None:
    """Delete a manifest, with all its tags."""
    with contextlib.suppress(_MissingError):
        _request(server, "DELETE", f"/v2/{repository}/manifests/{digest}")


class _MissingError(CommandError):
    """The error that a repository or a manifest does not exist."""


def _digest(server: Endpoint, repository: str, tag: str) -> str:
    try:
        response = _request(server, "HEAD", f"/v2/{repository}/manifests/{tag}")
    except _MissingError:  # deleted together with another tag
        return ""
    return response.headers.get("Docker-Content-Digest", "")


def _pages(server: Endpoint, path: str) -> Iterator[dict[str, Any]]:
    while path:
        response = _request(server, "GET", path)
        yield json.loads(response.body)
        following = _NEXT.search(response.headers.get("Link", ""))
        path = following[1] if following else ""


def _request(server: Endpoint, method: str, path: str) -> Response:
    response = send(f"{server.url}{path}", method, headers={"Accept": _ACCEPT})
    if response.status >= 300:
        kind = _MissingError if response.status == 404 else CommandError
        raise kind(f"{server.name}: the registry answers {response.status} for {method} {path}")
    return response
