"""The images that a stack needs and this machine does not have, and their download with the engine."""

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

#: seconds until a call of the container engine about an image fails
TIMEOUT = 30.0
_HINT = "Check that the engine works: run the command in a terminal."


@frozen
class MissingImage:
    """An image of a service that is not on this machine."""

    service: str
    #: the name of the image with registry and tag, as in the lock
    name: str
    #: with the digest in the lock, if there is one
    reference: str
    #: the digests of the image that has this name on this machine
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

    The function runs the engine once for each image; this takes about 0.1 s.
    """
    if images := missing(resolved):
        raise ImageMissingError([str(image) for image in images])


def missing(resolved: Resolved) -> list[MissingImage]:
    """Return the images of a plan that are not on this machine. Raises `InstallError` if the engine fails."""
    return list(_missing(resolved.plan.services, resolved.binaries))


def _missing(services: Sequence[ServiceSpec], binaries: Mapping[str, str]) -> Iterator[MissingImage]:
    for spec in services:
        if not spec.image:
            continue
        engine = binaries[containers.ENGINE]
        name = containers.qualified(spec.container.image if spec.container else spec.image)
        if inspected(engine, spec.image) is None:
            other = inspected(engine, name) if spec.image != name else None
            local = tuple(digests(other)) if other else ()
            yield MissingImage(service=spec.name, name=name, reference=spec.image, local_digests=local)


def with_images(resolve: Callable[[], Resolved], *, report: Callable[[str], None]) -> Resolved:
    """Download the images that are not on this machine; return the plan that `resolve` then returns.

    A download changes the lock of the project, and therefore the plan. Other processes of this user wait
    until the end of the downloads, so that the workers of a test run have the same plan. Raises
    `InstallError` if a download fails.
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

    The engine writes its progress to standard error. `report` is called with lines about changes of the lock.

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
        if "@" not in reference and properties and (present := digests(properties)):
            digests_of[image.name] = present[0]
    if digests_of:
        path = root / lockfile.NAME
        lockfile.update(path, images=digests_of)
        for name, digest in digests_of.items():
            report(f"{path}: {name} has the digest {digest}")


def inspected(engine: str, image: str) -> Mapping[str, Any] | None:
    """Return the properties of an image, as the engine prints them; None if it is not on this machine.

    Raises `InstallError` if the engine cannot be used, such as docker without its daemon.
    """
    command = containers.inspect(engine, image)
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        if done.returncode == 0:
            properties: Mapping[str, Any] = json.loads(done.stdout)[0]
            return properties
    except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
        raise InstallError(image, f"`{' '.join(command)}` failed: {error}", hint=_HINT) from error
    if _is_absent(done.stderr):
        return None
    raise InstallError(image, f"`{' '.join(command)}` failed: {done.stderr.strip()}", hint=_HINT)


def _is_absent(message: str) -> bool:
    """Return whether an error message of podman or docker states that an image does not exist."""
    return any(text in message.lower() for text in ("no such image", "image not known", "no such object"))


def digests(properties: Mapping[str, Any]) -> list[str]:
    """Return the digests of an image in its repositories; the digest of all platforms comes first.

    podman prints the digest for this platform as `Digest`, and both as `RepoDigests`; docker prints only
    the digest of all platforms. An image that docker has built has no digest.
    """
    digests = dict.fromkeys(text.partition("@")[2] for text in properties.get("RepoDigests") or ())
    return sorted(digests, key=lambda digest: digest == properties.get("Digest"))
