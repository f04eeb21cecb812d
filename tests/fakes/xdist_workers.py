"""Let pytest-xdist fork its workers.

A new Python process spends half a second of processor time on imports. The workers are forks of a process
that has imported the same modules and has not run pytest yet.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from execnet import gateway_base, gateway_io


@contextlib.contextmanager
def forked(exit_after: Callable[[Callable[[], object]], NoReturn]) -> Iterator[None]:
    """Fork the process that forks the workers, and end it afterwards.

    `exit_after` runs the main function of a worker and exits.
    """
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        exit_after(lambda: _serve(theirs, exit_after))
    theirs.close()
    new_process = gateway_io.create_io

    def create(spec: Any, execmodel: Any) -> Any:
        return Worker(ours, execmodel) if spec.popen else new_process(spec, execmodel)

    gateway_io.create_io = create
    try:
        yield
    finally:
        gateway_io.create_io = new_process
        ours.shutdown(socket.SHUT_RDWR)
        ours.close()
        os.waitpid(pid, 0)


class Worker(gateway_base.Popen2IO):
    """A worker and its standard streams, as execnet's class for a process that it has started."""

    def __init__(self, server: socket.socket, execmodel: Any) -> None:
        stdin, ours = os.pipe()
        theirs, stdout = os.pipe()
        socket.send_fds(server, [b"w"], [stdin, stdout])
        os.close(stdin)
        os.close(stdout)
        self._pid = int(server.recv(20))
        super().__init__(os.fdopen(ours, "wb"), os.fdopen(theirs, "rb"), execmodel)
        start = {"environ": dict(os.environ), "folder": os.getcwd()}  # noqa: PTH109 - a string
        self.write(json.dumps(start).encode() + b"\n")

    def wait(self) -> None:
        """Wait until the worker has exited."""
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(self._pid, 0)
                time.sleep(0.002)

    def kill(self) -> None:
        """Kill the worker."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)


def _serve(requests: socket.socket, exit_after: Callable[[Callable[[], object]], NoReturn]) -> None:
    """Fork a worker for each request until the controller closes the connection."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel removes workers that have exited
    while files := socket.recv_fds(requests, 1, 2)[1]:
        pid = os.fork()
        if pid == 0:
            requests.close()
            exit_after(functools.partial(_work, *files))
        for file in files:
            os.close(file)
        requests.sendall(str(pid).encode())


def _work(stdin: int, stdout: int) -> None:
    """Run the code of execnet's worker; the first line of the input is the state of the controller."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, file in enumerate((stdin, stdout)):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - until the process exits
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    start = json.loads(sys.stdin.readline())
    os.environ.clear()
    os.environ.update(start["environ"])
    os.chdir(start["folder"])
    random.seed()
    sys.argv = ["-c"]
    exec(eval(sys.stdin.readline()), {"__name__": "__main__"})
