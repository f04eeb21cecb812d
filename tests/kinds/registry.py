"""The registry in the contract suite: a value is the layer of an artefact in the repository NAME."""

from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.request
from urllib.parse import urljoin

from infra_runtime.engines.local.stack import Endpoint

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Push an artefact with the value as its layer; in a unit, below its prefix."""
    config, layer = (_blob(endpoint, name, data) for data in (b"{}", value.encode()))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **layer}],
    }
    data = json.dumps(manifest).encode()
    _send(endpoint, "PUT", f"/v2/{_repository(endpoint, name)}/manifests/1", data, MANIFEST)


def read(endpoint: Endpoint, name: str) -> str | None:
    """Pull the artefact, and return its layer."""
    repository = _repository(endpoint, name)
    try:
        manifest = json.loads(_send(endpoint, "GET", f"/v2/{repository}/manifests/1")[1])
    except urllib.error.HTTPError as error:
        error.close()
        return None
    return _send(endpoint, "GET", f"/v2/{repository}/blobs/{manifest['layers'][0]['digest']}")[1].decode()


def _repository(endpoint: Endpoint, name: str) -> str:
    repository = name.lower().replace(":", "-")
    return f"{endpoint['prefix']}/{repository}" if "prefix" in endpoint else repository


def _blob(endpoint: Endpoint, name: str, data: bytes) -> dict[str, object]:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    location, _ = _send(endpoint, "POST", f"/v2/{_repository(endpoint, name)}/blobs/uploads/", b"")
    separator = "&" if "?" in location else "?"
    _send(endpoint, "PUT", f"{location}{separator}digest={digest}", data, "application/octet-stream")
    return {"digest": digest, "size": len(data)}


def _send(
    endpoint: Endpoint, method: str, path: str, data: bytes | None = None, kind: str = ""
) -> tuple[str, bytes]:
    headers = {"Accept": MANIFEST, **({"Content-Type": kind} if kind else {})}
    url = urljoin(endpoint.url, path)
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.headers.get("Location", ""), answer.read()
