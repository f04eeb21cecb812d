"""Unpacks an image on this machine, and waits until its health check succeeds."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from infra_runtime.errors import ImageError, StartError
from infra_runtime.images.base_image import BaseImage
from infra_runtime.images.roles import DATA
from infra_runtime.images.rootfs import unpack_image
from infra_runtime.value import frozen

#: the seconds between two health checks
_INTERVAL = 0.2
#: the time limit of one health check in seconds
_CHECK_TIMEOUT = 30.0
_SECOND = 1_000_000_000


@frozen
class Container:
    """An unpacked image, and the values of the variables that are set when it runs."""

    name: str
    #: the folder that contains `root` (the unpacked image), the folders for /tmp and /data, and files of a
    #: runner
    folder: Path
    settings: Mapping[str, Any]
    #: the values of variables that the image does not contain; they can be secrets
    variables: Mapping[str, str]

    @property
    def root(self) -> Path:
        """The folder with the root file system of the container."""
        return self.folder / "root"

    def writable(self) -> dict[str, Path]:
        """Return a mapping from path in the container to folder of this machine, for the writable folders."""
        folders = {"/tmp": self.folder / "temporary"}  # noqa: S108 - in the container
        if DATA in (self.settings.get("Volumes") or {}):
            folders[DATA] = self.folder / "data"
        return folders

    def user(self) -> tuple[int, int]:
        """Return user id and group id. Raises `ImageError` if the image has a name instead."""
        user, _, group = str(self.settings.get("User") or "0").partition(":")
        if not user.isdigit() or not (group or user).isdigit():
            problem = (
                f"the user {self.settings.get('User')!r} of the image should be UID or UID:GID, in numbers"
            )
            raise ImageError(self.name, problem)
        return int(user), int(group or user)

    def working_folder(self) -> str:
        """Return the working directory in the container."""
        return str(self.settings.get("WorkingDir") or "/")

    def own_environment(self) -> dict[str, str]:
        """Return the environment variables that are part of the image."""
        return {
            name: value for text in self.settings.get("Env") or [] for name, _, value in [text.partition("=")]
        }

    def environment(self) -> dict[str, str]:
        """Return all environment variables of the container."""
        return self.own_environment() | dict(self.variables)

    def words(self, arguments: Sequence[str] = ()) -> list[str]:
        """Return the command line: `Entrypoint` of the image, and `arguments` (by default, its `Cmd`)."""
        return [*(self.settings.get("Entrypoint") or []), *(arguments or self.settings.get("Cmd") or [])]

    def health(self) -> list[str]:
        """Return the command of the health check; empty without one, and for a command of a shell."""
        test = (self.settings.get("Healthcheck") or {}).get("Test") or []
        return list(test[1:]) if test[:1] == ["CMD"] else []

    def start_timeout(self) -> float:
        """Return the maximum number of seconds until a container of the image is ready."""
        period = (self.settings.get("Healthcheck") or {}).get("StartPeriod") or 30 * _SECOND
        return float(period) / _SECOND


@frozen
class Running:
    """A running container."""

    container: Container
    #: the client process; it exits with the exit code of the program
    process: subprocess.Popen[bytes]
    #: a function that runs a command in the container; the number is the time limit in seconds
    execute: Callable[[Sequence[str], float], subprocess.CompletedProcess[bytes]]


def prepare(image: BaseImage, folder: Path, variables: Mapping[str, str]) -> Container:
    """Unpack an image into a new folder, and return the container.

    Raises `IntegrityError` if a layer of the image is damaged or unsafe, and `ImageError` if it is not
    supported.
    """
    unpack_image(image, folder / "root")
    # A runner cannot create these folders on the read-only file system.
    for name in ("proc", "dev", "tmp", DATA.strip("/")):
        (folder / "root" / name).mkdir(exist_ok=True)
    for name in ("temporary", "data"):
        (folder / name).mkdir()
    return Container(
        name=image.name, folder=folder, settings=image.config.get("config") or {}, variables=variables
    )


def wait_until_ready(running: Running) -> float:
    """Wait until the health check succeeds, and return how many seconds this took.

    If the image has no health check, the result is 0. Raises `StartError` if the program of the image exits,
    or if the health check does not succeed before the time limit.
    """
    container = running.container
    check = container.health()
    start = time.monotonic()
    if not check:
        return 0.0
    reason = "the health check did not run"
    while time.monotonic() - start < container.start_timeout():
        if (code := running.process.poll()) is not None:
            raise StartError(
                container.name, f"the image exited with {code} before its health check succeeded"
            )
        try:
            result = running.execute(check, _CHECK_TIMEOUT)
        except subprocess.TimeoutExpired:
            reason = f"the health check did not exit in {_CHECK_TIMEOUT:.0f} s"
            continue
        if result.returncode == 0:
            return time.monotonic() - start
        lines = (result.stderr or result.stdout).decode("utf-8", "replace").strip().splitlines()
        reason = lines[-1] if lines else f"the health check exited with {result.returncode}"
        time.sleep(_INTERVAL)
    raise StartError(
        container.name, f"the image was not ready after {container.start_timeout():.0f} s: {reason}"
    )
