"""Check whether ports are free, reserve ports by lock files, and find the process that uses a port."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import time
from collections.abc import Iterable, Mapping

from infra_runtime.host import file_lock, ownership

#: the range of the ports that are leased: above well-known ports, and below the ports that kernels choose for
#: connections (from 32768 on Linux, from 49152 on macOS)
FIRST, LAST = 20000, 32767
#: the first port that needs no privileges: to listen on a lower port, a program needs CAP_NET_BIND_SERVICE.
#: Source: ip(7)
UNPRIVILEGED = 1024
LOOPBACK = "127.0.0.1"
LISTEN = "0A"
#: the variable whose value is a list with commas: `PORT_NAME=DESCRIPTOR` for each listening socket that a
#: process inherits
SOCKETS = "INFRA_SOCKETS"
#: the number of further attempts to lock the file of a fixed port; if they fail, another stack holds the lock
ATTEMPTS = 5
_NOT_WRITTEN = "(not written to the lock file yet)"


class PortError(Exception):
    """The error that a port is in use; `holder` describes the process or the stack that uses the port."""

    def __init__(self, port: int, holder: str) -> None:
        super().__init__(port, holder)
        self.port, self.holder = port, holder


class Ports:
    """The ports of one stack; a locked file reserves each port, so that no other stack of this user uses it.

    `owner` is the data directory of the stack, which is written to each lock file, so that error messages of
    other stacks contain it.
    """

    def __init__(self, locks: str, owner: str, *, leased: bool) -> None:
        self._locks = locks
        self._name = owner
        self._leased = leased
        self._held: dict[tuple[str, str], tuple[int, int]] = {}  # (service, name) → port, descriptor

    def take(self, service: str, name: str, number: int, may_differ: bool = False) -> int:
        """Reserve a port of a service, and return its number.

        Later calls return this number again if the port is still free. In an environment with fixed ports,
        the number is `number`. In tests, or if `number` is in use and `may_differ` is true, the number of a
        free port is used. Raises `PortError` if the fixed port is in use or if no port is free,
        `PermissionError` if the port is below 1024 and this process has no privileges.
        """
        reserved = self._held.get((service, name))
        if reserved:
            holder = taken(reserved[0])
            if holder is None:
                return reserved[0]
            if not (self._leased or may_differ):
                raise PortError(reserved[0], holder)
            self.give_back(service, name)
        if self._leased:
            return self._take_free(service, name)
        try:
            return self._take_fixed(service, name, number)
        except PortError:
            if not may_differ:
                raise
            return self._take_free(service, name)

    def _take_fixed(self, service: str, name: str, number: int) -> int:
        # The lock prevents another stack from using a fixed port while no process listens on the port.
        descriptor = self._lock(number)
        for _ in range(ATTEMPTS):
            if descriptor is None:
                time.sleep(0.002)  # a process that removes unused lock files locks each file for a short time
                descriptor = self._lock(number)
        if descriptor is None:
            raise PortError(
                number, f"another stack of this user, with the data directory {self._owner(number)}"
            )
        self._held[service, name] = number, descriptor
        if (holder := taken(number)) is not None:
            self.give_back(service, name)
            raise PortError(number, holder)
        return number

    def _take_free(self, service: str, name: str) -> int:
        # Random, so that two stacks rarely try one port at the same time.
        offset = int.from_bytes(os.urandom(4))
        for step in range(LAST - FIRST + 1):
            port = FIRST + (offset + step) % (LAST - FIRST + 1)
            descriptor = self._lock(port)
            if descriptor is None:
                continue
            if taken(port, name_it=False) is None:
                self._held[service, name] = port, descriptor
                return port
            file_lock.remove(descriptor, self._path(port))
        raise PortError(
            FIRST, f"other processes, and so is every other port up to {LAST} that tests may lease"
        )

    def take_all(self, service: str, wanted: Mapping[str, int], may_differ: bool = False) -> dict[str, int]:
        """Reserve several ports of a service, and return a mapping from port name to number."""
        return {
            name: self.take(service, name, number_of_port, may_differ)
            for name, number_of_port in wanted.items()
        }

    def give_back(self, service: str, name: str | None = None) -> None:
        """Release the port `name` of a service; if `name` is None, release all ports of the service."""
        for key in [key for key in self._held if key[0] == service and name in {None, key[1]}]:
            port, descriptor = self._held.pop(key)
            file_lock.remove(descriptor, self._path(port))

    def close(self) -> None:
        """Release all ports of the stack, and remove the lock files that no process holds."""
        for service, name in [*self._held]:
            self.give_back(service, name)
        file_lock.remove_free(self._locks)

    def _path(self, port: int) -> str:
        return f"{self._locks}/{port}"

    def _lock(self, port: int) -> int | None:
        ownership.make_private_folder(self._locks, shared=True)
        while True:
            if (descriptor := file_lock.acquire(self._path(port))) is None:
                return None
            if file_lock.is_current(descriptor, self._path(port)):
                break
            os.close(descriptor)  # the previous holder has removed this file: lock the new file at the path
        with contextlib.suppress(OSError):  # the lock also works when the disk is full
            os.truncate(descriptor, 0)
            os.write(descriptor, os.fsencode(self._name))
        return descriptor

    def _owner(self, port: int) -> str:
        try:
            descriptor = ownership.open_file(self._path(port), os.O_RDONLY)
        except FileNotFoundError:
            return _NOT_WRITTEN
        with open(descriptor, "rb") as file:
            return os.fsdecode(file.read()) or _NOT_WRITTEN


def taken(port: int, *, name_it: bool = True) -> str | None:
    """Return a description of the process that listens on a loopback port; None if the port is free.

    If `name_it` is false, the description is "a process", which is faster than a search for the process.

    Raises `PermissionError` for a port below 1024 that needs privileges.
    """
    if sys.platform != "linux":
        # On macOS, a bind to one address succeeds even if another process listens on all addresses. Source:
        # setsockopt(2)
        with socket.socket() as client:
            client.settimeout(1)
            if client.connect_ex((LOOPBACK, port)) == 0:
                return holder(port) if name_it else "a process"
    with socket.socket() as server:
        # With this option, a connection in the state TIME_WAIT does not block the port, but a listener does.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno == errno.EACCES:
                reason = "a process needs privileges to listen on ports below 1024"
                raise PermissionError(errno.EACCES, reason, f"port {port}") from None
            return holder(port) if name_it else "a process"
    return None


def holder(port: int) -> str:
    """Return a description of the process that listens on a port, such as `pid 4711 (python app.py)`.

    Only a process of root can read which ports other users' processes use. Otherwise, the text for such a
    process is `a process of another user`.
    """
    if sys.platform != "linux":
        return _ask_lsof(port)
    sockets = {inode for inode, (_, number) in _listening_sockets().items() if number == port}
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        if sockets & _open_sockets(pid):
            return f"pid {pid} ({command(pid)})"
    return "a process of another user"


def listening(pids: Iterable[int]) -> set[tuple[str, int]]:
    """Return the address and number of each TCP port on which these processes listen; empty without /proc."""
    sockets = _listening_sockets()
    open_inodes = {inode for pid in pids for inode in _open_sockets(pid)}
    return {sockets[inode] for inode in open_inodes & sockets.keys()}


def listeners(address: str, port: int) -> int:
    """Return the number of sockets that listen on an address and port; with SO_REUSEPORT, several can."""
    if sys.platform != "linux":
        return sum(line.startswith("f") for line in _lsof(f"-iTCP@{address}:{port}", "-Ff"))
    return list(_listening_sockets().values()).count((address, port))


def _listening_sockets() -> dict[str, tuple[str, int]]:
    """Return a mapping from inode to address and port of each listening TCP socket.

    Source: proc_net(5).
    """
    sockets = {}
    for table, family in (("/proc/net/tcp", socket.AF_INET), ("/proc/net/tcp6", socket.AF_INET6)):
        try:
            with open(table, encoding="ascii") as file:
                lines = [line.split() for line in file][1:]
        except OSError:
            continue
        for line in lines:
            if line[3] == LISTEN:
                address, _, port = line[1].rpartition(":")
                # Each group of eight digits is a number in the byte order of the machine.
                groups = [address[start : start + 8] for start in range(0, len(address), 8)]
                packed = b"".join(int(group, 16).to_bytes(4, sys.byteorder) for group in groups)
                text = socket.inet_ntop(family, packed).removeprefix("::ffff:")
                sockets[line[9]] = (text, int(port, 16))
    return sockets


def _open_sockets(pid: int) -> set[str]:
    """Return the inodes of the sockets of a process; empty for a process of another user."""
    inodes = set()
    try:
        for number in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):  # the process has closed the descriptor
                target = os.readlink(f"/proc/{pid}/fd/{number}")
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
    except OSError:
        return set()
    return inodes


def inherited_sockets() -> dict[str, socket.socket]:
    """Return a mapping from port name to the listening socket that the supervisor opened for this process."""
    pairs = (pair.rpartition("=") for pair in os.environ.get(SOCKETS, "").split(",") if pair)
    return {name: socket.socket(fileno=int(descriptor)) for name, _, descriptor in pairs}


def command(pid: int) -> str:
    """Return the command line of a process, at most 78 characters."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        words = ""
    return (words[:77] + "…" if len(words) > 78 else words) or "unknown"


def _ask_lsof(port: int) -> str:
    fields = {line[0]: line[1:] for line in _lsof(f"-iTCP:{port}", "-Fpc") if line}
    return (
        f"pid {fields['p']} ({fields.get('c', 'unknown')})" if "p" in fields else "a process of another user"
    )


def _lsof(address: str, fields: str) -> list[str]:
    """Return the lines of `lsof` about listening sockets; the first letter of a line identifies the field."""
    import subprocess

    command = ["lsof", "-nP", address, "-sTCP:LISTEN", fields]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    except OSError:
        return []
