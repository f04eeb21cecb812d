"""Run the client program of a registry, such as pip or apt, with bounds on size and waiting time.

The registries are used through their usual clients, so that proxies, mirrors, certificates and credentials of
the user's configuration apply.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from infra_runtime.errors import InstallError, IntegrityError
from infra_runtime.redaction import masked_text

#: a function that is called with the number of bytes that have been downloaded
Progress = Callable[[int], None]
#: the seconds without a new byte after which a download fails
STALL_SECONDS = 120.0
#: the number of bytes that a client may write besides the artefacts
_SLACK = 8 << 20
#: the pattern of the error lines of apt and pip
_ERROR = re.compile(r"^(E:|Err:|ERROR:)|mismatch|HASH|404")
#: the messages of apt, pip, Go, npm and Maven about a file with another hash or another size
_MISMATCH = re.compile(
    r"Hash Sum mismatch|unexpected size|DO NOT MATCH THE HASHES|checksum mismatch|EINTEGRITY"
    r"|Checksum validation failed"
)
#: the messages of the clients about a file that cannot be written
_DISK = re.compile(r"No space left on device|Disk quota exceeded|Read-only file system|ENOSPC")
#: the shortest time in seconds between two measurements of the files
_INTERVAL = 0.05
#: the time between two measurements, as a multiple of the duration of a measurement, which is long if a build
#: writes many files
_PAUSE = 30


def run(
    name: str,
    command: Sequence[str],
    *,
    folder: Path,
    expected: int = 0,
    progress: Progress | None = None,
    env: Mapping[str, str] | None = None,
    stall: float = STALL_SECONDS,
) -> str:
    """Run a client that writes files below `folder`, and return its output.

    `name` is the name of the recipe, for messages. `expected` is the number of bytes in the lock; 0: unknown.
    The client is killed when its files have more than twice this number of bytes (and 8 MiB), because a
    client can write each file twice before it removes the first copy.

    Raises:
        InstallError: the client fails, or writes nothing for `stall` seconds.
        IntegrityError: the client writes more than the lock allows, or refuses a file with another hash.
    """
    # With `setpriv` (util-linux), the kernel kills the client when this process is killed.
    setpriv = shutil.which("setpriv")
    prefix = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv and shutil.which(command[0]) else []
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                [*prefix, *command],
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise InstallError(name, f"{command[0]} cannot be started: {error.strerror}") from error
        try:
            _watch(name, process, folder, expected, progress, stall)
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    if process.returncode != 0:
        if disk := _DISK.search(text):
            reason = f"{Path(command[0]).name} cannot write its files: {disk[0]}"
            raise InstallError(
                name, reason, "Free space on the disk, or set INFRA_BINARIES to another folder."
            )
        problem = "; ".join(_important(text)) or f"exit code {process.returncode}"
        kind = IntegrityError if _MISMATCH.search(text) else InstallError
        raise kind(name, f"{Path(command[0]).name} failed: {problem}")
    return text


def _important(text: str) -> list[str]:
    """Return at most three lines of the output of a client, which contain the reason of its failure.

    A password in the address of a registry is masked, because some clients print it.
    """
    lines = [masked_text(line.strip()) for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.search(line)]
    return errors[:3] or lines[-3:]


def _watch(
    name: str,
    process: subprocess.Popen[bytes],
    folder: Path,
    expected: int,
    progress: Progress | None,
    stall: float,
) -> None:
    size, last_change, interval = -1, time.monotonic(), _INTERVAL
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(interval)
        measurement_start = time.monotonic()
        new_size = _bytes(folder)
        interval = max(_INTERVAL, _PAUSE * (time.monotonic() - measurement_start))
        if new_size != size:
            size, last_change = new_size, time.monotonic()
        if progress:
            progress(min(size, expected) if expected else size)
        if expected and size > 2 * expected + _SLACK:
            raise IntegrityError(name, f"the download is larger than the {expected} bytes in the lock")
        if process.returncode is not None:
            return
        if time.monotonic() - last_change > stall:
            raise InstallError(name, f"no data arrived for {stall:.0f} s")


def _bytes(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(parent, name), follow_symlinks=False).st_size  # noqa: PTH116, PTH118
    return total
