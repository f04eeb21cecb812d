"""Determine the missing images of a stack, and download them with the container engine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from infra_runtime.binaries import lockfile, store
from infra_runtime.config.request import Resolved
from infra_runtime.errors import ImageMissingError, InstallError
from infra_runtime.host import containers
from infra_runtime.spec import ServiceSpec
from infra_runtime.value import frozen

#: the time limit in seconds for a call of the container engine about an image
TIMEOUT = 30.0
_HINT = "Run the command in a terminal to check that the container engine works."


@frozen
class MissingImage:
    """An image of a service that is not on this machine."""

    service: str
    #: the name of the image with registry and tag, as in the lock
    name: str
    #: the name, with the digest if the lock contains a digest of the image
    reference: str
    #: the digests of the image with this name on this machine; empty if this machine has no such image
    local_digests: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.local_digests:
            return f"{self.service}: the image {self.reference} is not on this machine"
        digest = self.reference.partition("@")[2]
        return (
            f"{self.service}: the image {self.name} has the digest {digest} in {lockfile.NAME}, "
            f"but {' and '.join(self.local_digests)} on this machine"
        )


def check(resolved: Resolved) -> None:
    """Raise `ImageMissingError` if an image of a plan is not on this machine.

    The function runs the container engine once for each image, which takes about 0.1 s per image, and a
    second time for a missing image with a digest. Raises `InstallError` if the engine fails.
    """
    if images := missing(resolved):
        raise ImageMissingError([str(image) for image in images])


def missing(resolved: Resolved) -> list[MissingImage]:
    """Return the images of a plan that are not on this machine.

    Raises `InstallError` if the container engine fails.
    """
    return list(_missing(resolved.plan.services, resolved.binaries))


def _missing(services: Sequence[ServiceSpec], binaries: Mapping[str, str]) -> Iterator[MissingImage]:
    for spec in services:
        if not spec.image:
            continue
        engine = binaries[containers.ENGINE]
        name = containers.qualified(spec.container.image if spec.container else spec.image)
        if inspected(engine, spec.image) is None:
            other_image = inspected(engine, name) if spec.image != name else None
            local_digests = tuple(digests(other_image)) if other_image else ()
            yield MissingImage(
                service=spec.name, name=name, reference=spec.image, local_digests=local_digests
            )


def with_images(resolve: Callable[[], Resolved], *, report: Callable[[str], None]) -> Resolved:
    """Download the images that are not on this machine; return the result of `resolve` after the downloads.

    A download can add a digest to the lock of the project, which changes the plan. Other processes of this
    user that call this function wait until the end of the downloads, so all workers of a test run have equal
    plans. Raises `InstallError` if a download fails.
    """
    folder = store.default()
    folder.prepare()
    with folder.locked(".images"):
        resolved = resolve()
        if images := missing(resolved):
            pull(images, resolved, report=report)
            resolved = resolve()
        return resolved


def pull(images: Sequence[MissingImage], resolved: Resolved, *, report: Callable[[str], None]) -> None:
    """Download images; write each digest that is not in the lock of the project to this lock.

    The engine writes its progress to standard error. `report` is called with a line for each change of the
    lock.

    Raises `InstallError` if a download fails.
    """
    engine, root = resolved.binaries[containers.ENGINE], Path(resolved.plan.root)
    digests_of: dict[str, str] = {}
    for reference, image in {image.reference: image for image in images}.items():
        status = subprocess.run(
            containers.pull(engine, reference), stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False
        ).returncode
        if status != 0:
            command = f"{engine} pull {reference}"
            raise InstallError(image.name, f"`{command}` exited with status {status}", hint=_HINT)
        properties = inspected(engine, reference)
        if "@" not in reference and properties and (present_digests := digests(properties)):
            digests_of[image.name] = present_digests[0]
    if digests_of:
        path = root / lockfile.NAME
        lockfile.update(path, images=digests_of)
        for name, digest in digests_of.items():
            report(f"{path}: {name} has the digest {digest}")


def inspected(engine: str, image: str) -> Mapping[str, Any] | None:
    """Return the properties of an image, as the engine prints them; None if the image is not on this machine.

    Raises `InstallError` if the engine cannot be used, such as docker without its daemon.
    """
    command = containers.inspect(engine, image)
    try:
        process = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        if process.returncode == 0:
            properties: Mapping[str, Any] = json.loads(process.stdout)[0]
            return properties
    except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
        raise InstallError(image, f"`{' '.join(command)}` failed: {error}", hint=_HINT) from error
    if _is_absent(process.stderr):
        return None
    raise InstallError(image, f"`{' '.join(command)}` failed: {process.stderr.strip()}", hint=_HINT)


def _is_absent(message: str) -> bool:
    """Return whether an error message of podman or docker states that an image does not exist."""
    return any(text in message.lower() for text in ("no such image", "image not known", "no such object"))


def digests(properties: Mapping[str, Any]) -> list[str]:
    """Return the digests of an image in its repositories, first the digest for all platforms.

    podman prints the digest for this platform as `Digest`, and the digests for this platform and for all
    platforms as `RepoDigests`. docker prints only the digest for all platforms. An image that docker has
    built has no digest.
    """
    digests = dict.fromkeys(text.partition("@")[2] for text in properties.get("RepoDigests") or ())
    return sorted(digests, key=lambda digest: digest == properties.get("Digest"))
