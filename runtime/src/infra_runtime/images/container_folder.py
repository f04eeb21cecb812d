"""The folder of a container. At the end, the container, its processes and the folder are removed.

Another process (`python -m infra_runtime.images.container_folder`) creates and removes the folder. The
process that uses the folder holds the writing end of a pipe open, and the other process reads from this pipe.
The pipe ends when the process that uses the folder closes it or exits, also after a SIGKILL.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from infra_runtime.errors import InfraError
from infra_runtime.host import disk, processes

#: the name of the file with the command that removes the container
_REMOVAL = "removal.json"
#: the time limit in seconds of the command that removes the container
_PATIENCE = 60.0


@contextmanager
def container_folder() -> Iterator[Path]:
    """Yield a new folder of this user; at the end, remove its container, its processes and the folder.

    Raises `InfraError` if the folder cannot be created.
    """
    # The process has its own session, so that a signal from the terminal does not end the process.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None  # noqa: S101 - for the type checker
    assert process.stdout is not None  # noqa: S101 - for the type checker
    try:
        folder = os.fsdecode(process.stdout.readline().rstrip(b"\n"))
        if not folder:
            raise InfraError("the folder of the container cannot be created; the reason is above")
        yield Path(folder)
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def environment(folder: Path) -> dict[str, str]:
    """Return the environment variable that marks the processes of the container in a folder."""
    return {processes.TOKEN: folder.name}


@contextmanager
def removed(folder: Path, command: Sequence[str]) -> Iterator[None]:
    """Remove the container in a folder with a command at the end of the `with` statement.

    If this process is killed earlier, the process of the folder runs the command.
    """
    file = folder / _REMOVAL
    file.write_text(json.dumps(command), encoding="utf-8")
    try:
        yield
    finally:
        _remove_container(file)


def _remove_container(file: Path) -> None:
    try:
        command = json.loads(file.read_bytes())
    except FileNotFoundError:  # no container was started, or it is removed
        return
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False)
        file.unlink(missing_ok=True)


def main() -> None:
    """Create a folder and print its path. At the end of stdin, remove everything that uses the folder."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    folder = tempfile.mkdtemp(prefix="infra-container-")
    print(folder, flush=True)
    sys.stdin.buffer.read()
    # The clients are ended first, because a client could still create the container.
    processes.end({}, Path(folder).name)
    _remove_container(Path(folder, _REMOVAL))
    disk.remove(folder)


if __name__ == "__main__":
    main()
