"""Run an image on this machine, without a container engine, until its health check succeeds or it exits.

bubblewrap starts the program in namespaces: with a read-only root file system, another user, no capabilities
and its own processes. It uses the network of the machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra_runtime.binaries import Binary, locate
from infra_runtime.errors import ImageError, StartError
from infra_runtime.images.base_image import BaseImage
from infra_runtime.images.roles import DATA
from infra_runtime.images.rootfs import unpack_image
from infra_runtime.value import frozen

#: seconds between two health checks
_INTERVAL = 0.2
#: seconds for one health check, and until a signal has stopped the program
_CHECK_TIMEOUT, _PATIENCE = 30.0, 10.0
_SECOND = 1_000_000_000


@frozen
class Container:
    """An image that is unpacked, and the values with which it is run."""

    name: str
    root: Path
    #: the folders that replace /tmp and /data
    temporary: Path
    data: Path
    settings: Mapping[str, Any]
    #: the values of variables that the image does not contain
    variables: Mapping[str, str]
    bubblewrap: Path

    def command(self, words: Sequence[str], *, information: int = 0) -> list[str]:
        """Return the command line of bubblewrap that runs the command line `words` in the container.

        `information` is the file descriptor to which bubblewrap writes the process id; 0 for none.
        """
        user, _, group = str(self.settings.get("User") or "0").partition(":")
        if not user.isdigit() or not (group or user).isdigit():
            raise ImageError(self.name, f"the user {user!r} of the image is not a number")
        argv = [str(self.bubblewrap), "--ro-bind", str(self.root), "/", "--proc", "/proc", "--dev", "/dev"]
        argv += ["--bind", str(self.temporary), "/tmp"]  # noqa: S108 - in the container
        if DATA in (self.settings.get("Volumes") or {}):
            argv += ["--bind", str(self.data), DATA]
        argv += ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
        argv += [
            "--uid",
            user,
            "--gid",
            group or user,
            "--cap-drop",
            "ALL",
            "--new-session",
            "--die-with-parent",
        ]
        argv += ["--chdir", self.settings.get("WorkingDir") or "/", "--clearenv"]
        if information:
            argv += ["--info-fd", str(information)]
        for name, value in sorted(self.environment().items()):
            argv += ["--setenv", name, value]
        return [*argv, "--", *words]

    def environment(self) -> dict[str, str]:
        """Return the variables in the container."""
        own = {
            name: value for text in self.settings.get("Env") or [] for name, _, value in [text.partition("=")]
        }
        return own | dict(self.variables)

    def words(self, arguments: Sequence[str] = ()) -> list[str]:
        """Return the command line of the image: its `Entrypoint`, and `arguments` or else its `Cmd`."""
        return [*(self.settings.get("Entrypoint") or []), *(arguments or self.settings.get("Cmd") or [])]

    def health(self) -> list[str]:
        """Return the command of the health check; empty if the image has none."""
        test = (self.settings.get("Healthcheck") or {}).get("Test") or []
        return list(test[1:]) if test[:1] == ["CMD"] else []

    def start_timeout(self) -> float:
        """Return the maximum number of seconds until a container of the image is ready."""
        period = (self.settings.get("Healthcheck") or {}).get("StartPeriod") or 30 * _SECOND
        return float(period) / _SECOND


def prepare(image: BaseImage, folder: Path, variables: Mapping[str, str]) -> Container:
    """Unpack an image into an empty folder, and return the container.

    Raises:
        BinaryMissingError: bubblewrap is missing.
        IntegrityError: a layer of the image is damaged or unsafe.
    """
    bubblewrap = locate(Binary(name="bwrap"))
    unpack_image(image, folder / "root")
    # bubblewrap cannot create these folders on the read-only file system.
    for name in ("proc", "dev", "tmp", DATA.strip("/")):
        (folder / "root" / name).mkdir(exist_ok=True)
    for name in ("temporary", "data"):
        (folder / name).mkdir()
    return Container(
        name=image.name,
        root=folder / "root",
        temporary=folder / "temporary",
        data=folder / "data",
        settings=image.config.get("config") or {},
        variables=variables,
        bubblewrap=bubblewrap,
    )


@contextmanager
def started(container: Container, arguments: Sequence[str] = ()) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command of an image, and stop it with its stop signal at the end of the `with` statement."""
    reading, writing = os.pipe()
    try:
        command = container.command(container.words(arguments), information=writing)
        process = subprocess.Popen(command, pass_fds=(writing,), stdin=subprocess.DEVNULL)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    try:
        yield process
    finally:
        with open(reading, "rb") as information:  # noqa: PTH123 - a file descriptor
            _stop(container, process, information.read())


def _stop(container: Container, process: subprocess.Popen[bytes], information: bytes) -> None:
    """Send the stop signal to the program, and kill it if it does not exit.

    bubblewrap does not forward signals, so the signal goes to the child of its process in the container.
    """
    if process.poll() is None:
        name = str(container.settings.get("StopSignal") or "SIGTERM")
        with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
            pid = int(json.loads(information)["child-pid"])
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
            os.kill(int(children[0]), signal.Signals[name])
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE)
    if process.poll() is None:
        process.kill()  # the kernel then kills all processes of the namespace
    process.wait()


def wait_until_ready(container: Container, process: subprocess.Popen[bytes]) -> float:
    """Return the seconds until the health check succeeds; 0 if the image has no health check.

    Raises `StartError` if the program exits, or is not ready at its time limit.
    """
    check = container.health()
    began = time.monotonic()
    if not check:
        return 0.0
    reason = "the health check did not run"
    while time.monotonic() - began < container.start_timeout():
        if (code := process.poll()) is not None:
            raise StartError(
                container.name, f"the image exited with {code} before its health check succeeded"
            )
        try:
            done = subprocess.run(
                container.command(check),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_CHECK_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            reason = f"the health check did not exit in {_CHECK_TIMEOUT:.0f} s"
            continue
        if done.returncode == 0:
            return time.monotonic() - began
        lines = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        reason = lines[-1] if lines else f"the health check exited with {done.returncode}"
        time.sleep(_INTERVAL)
    raise StartError(
        container.name, f"the image was not ready after {container.start_timeout():.0f} s: {reason}"
    )
