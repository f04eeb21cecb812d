"""Run several programs as one service: `python -m infra_runtime.program_group FILE`.

The file contains JSON: `{"host": "127.0.0.1", "programs": [{"name": …, "command": […], "after": [PORT, …],
"stop": "SIGTERM"}, …]}`. A program starts when all ports in its list `after` accept connections. If a program
exits, the remaining programs are killed, and the group exits with the status 1. After SIGTERM or SIGINT, the
programs are stopped in reverse order, each with its signal `stop`, and the group exits with the status 0.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

_STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})
#: the signals that the group waits for with `sigwait`; they are blocked, so no handler runs
_SIGNALS = _STOP_SIGNALS | {signal.SIGCHLD}
#: the seconds between two checks of a port or a program, and the seconds after which a program that has
#: received its stop signal is killed
INTERVAL, PATIENCE = 0.005, 10.0


class Program(NamedTuple):
    """One program of a group, and the signal that stops it."""

    name: str
    command: tuple[str, ...]
    #: ports of other programs of the group; this program starts when all of these ports accept connections
    after: tuple[int, ...] = ()
    stop: str = "SIGTERM"


def read(data: dict[str, Any]) -> tuple[str, list[Program]]:
    """Return the host and the programs that the JSON data of the file describe."""
    programs = [
        Program(
            name=program["name"],
            command=tuple(program["command"]),
            after=tuple(int(port) for port in program.get("after", ())),
            stop=program.get("stop", "SIGTERM"),
        )
        for program in data["programs"]
    ]
    return data["host"], programs


def run(host: str, programs: Iterable[Program]) -> int:
    """Run programs until one of them exits or a stop signal arrives; return the exit status of the group."""
    # SIGCHLD is ignored by default, and on some systems, sigwait never returns for an ignored signal.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    running: dict[int, Program] = {}
    for program in programs:
        for port in program.after:
            while not _accepts(host, port):
                if signal.sigpending() & _SIGNALS and (status := _status(running)) is not None:
                    return status
                time.sleep(INTERVAL)
        command = list(program.command)
        pid = os.posix_spawn(command[0], command, os.environ, setsigmask=())
        running[pid] = program
    while (status := _status(running)) is None:
        pass
    return status


def _accepts(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), 1.0):
            return True
    except OSError:
        return False


def _status(running: dict[int, Program]) -> int | None:
    """Wait for a signal; return the exit status of the group if the signal ends the group, otherwise None."""
    if signal.sigwait(_SIGNALS) in _STOP_SIGNALS:
        for pid in reversed([*running]):
            _stop(pid, running.pop(pid))
        return 0
    exited = [pid for pid in running if os.waitpid(pid, os.WNOHANG)[0]]
    if not exited:
        return None
    names = ", ".join(running.pop(pid).name for pid in exited)
    print(
        f"{names} exited unexpectedly; the other programs of the service are killed",
        file=sys.stderr,
        flush=True,
    )
    for pid in running:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return 1


def _stop(pid: int, program: Program) -> None:
    """Send the stop signal to a program, wait until it has exited, and kill it after `PATIENCE` seconds."""
    os.kill(pid, signal.Signals[program.stop])
    deadline = time.monotonic() + PATIENCE
    while not os.waitpid(pid, os.WNOHANG)[0]:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return
        time.sleep(INTERVAL)


def main() -> int:
    """Run the programs of the file FILE (the only argument), and return the exit status of the group."""
    (path,) = sys.argv[1:]
    return run(*read(json.loads(Path(path).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    sys.exit(main())
