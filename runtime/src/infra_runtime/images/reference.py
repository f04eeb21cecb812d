"""References to images in registries, such as `registry.example.com:5000/shop/api:1.2@sha256:…`.

Source: Docker, `distribution/reference`.
"""

from __future__ import annotations

import ipaddress
import re

from infra_runtime.errors import ImageError
from infra_runtime.value import frozen

_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_HOST = re.compile(r"[A-Za-z0-9.-]+(?::\d{1,5})?|\[[0-9a-fA-F:]+\](?::\d{1,5})?")
#: the registry of references without a host, and the name of its server
_DOCKER_HUB, _DOCKER_HUB_SERVER = "docker.io", "registry-1.docker.io"


@frozen
class Reference:
    """An image, or a repository without an image, in a registry."""

    #: host and port, such as `127.0.0.1:5000`
    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        text = f"{self.registry}/{self.repository}"
        text += f":{self.tag}" if self.tag else ""
        return text + (f"@{self.digest}" if self.digest else "")

    @property
    def server(self) -> str:
        """The host and the port to which requests are sent."""
        return _DOCKER_HUB_SERVER if self.registry == _DOCKER_HUB else self.registry

    @property
    def is_local(self) -> bool:
        """Whether the registry is on this machine, so that requests do not use TLS."""
        host = (
            self.registry.rpartition(":")[0] if self.registry.rpartition(":")[2].isdigit() else self.registry
        )
        try:
            return ipaddress.ip_address(host.strip("[]")).is_loopback
        except ValueError:
            return host == "localhost"


def parse_reference(text: str) -> Reference:
    """Return the reference in a string. Raises `ImageError` if the string is not a valid reference."""
    without_digest, _, digest = text.partition("@")
    first_component, slash, path = without_digest.partition("/")
    if not slash or not ("." in first_component or ":" in first_component or first_component == "localhost"):
        first_component, path = _DOCKER_HUB, without_digest if slash else f"library/{without_digest}"
    path, _, tag = path.partition(":")
    problems = (
        ("host", _HOST.fullmatch(first_component)),
        ("repository, which consists of lower-case letters, digits and . _ - /", _REPOSITORY.fullmatch(path)),
        ("tag", not tag or _TAG.fullmatch(tag)),
        ("digest", not digest or re.fullmatch(r"sha256:[0-9a-f]{64}", digest)),
    )
    for part, valid in problems:
        if not valid:
            raise ImageError(text, f"the reference has no valid {part}", "A reference is HOST:PORT/NAME:TAG.")
    return Reference(registry=first_component, repository=path, tag=tag, digest=digest)


def as_tag(text: str) -> str:
    """Return a tag for a string, in which invalid characters become hyphens; it can be empty."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", text).lstrip(".-")[:128]
