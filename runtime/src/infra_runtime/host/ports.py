"""Ports: check that fixed ports are free, reserve ports by lock files, find the process that uses a port."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import time
from collections.abc import Iterable, Mapping

from infra_runtime.host import file_lock, ownership

#: below the ports that kernels choose for connections (Linux 32768, macOS 49152), above well-known ports
FIRST, LAST = 20000, 32767
#: a program needs the capability CAP_NET_BIND_SERVICE to listen on a port below this number. Source: ip(7)
UNPRIVILEGED = 1024
LOOPBACK = "127.0.0.1"
LISTEN = "0A"
#: the variable with `port name=descriptor` of each listening socket that a process inherits, with commas
SOCKETS = "INFRA_SOCKETS"
#: the number of attempts to lock the file of a fixed port; if all fail, another stack holds the lock
ATTEMPTS = 5
_NOT_WRITTEN = "(not written to the lock file yet)"


class PortError(Exception):
    """The error that a port is in use; `holder` describes the process that listens on the port."""

    def __init__(self, port: int, holder: str) -> None:
        super().__init__(port, holder)
        self.port, self.holder = port, holder


class Ports:
    """The ports of one stack. A locked file reserves each port, so that no two stacks use the same port.

    `owner`, the data directory of the stack, is written to each locked file, for messages of other stacks.
    """

    def __init__(self, locks: str, owner: str, *, leased: bool) -> None:
        self._locks = locks
        self._name = owner
        self._leased = leased
        self._held: dict[tuple[str, str], tuple[int, int]] = {}  # (service, name) → port, descriptor

    def take(self, service: str, name: str, wanted: int, may_differ: bool = False) -> int:
        """Reserve and return the port `name` of a service; further calls return the same port.

        `wanted` is the number of the port in an environment with fixed ports; otherwise, any free port is
        used, and also if the fixed port is in use and `may_differ`. Raises `PortError` if the fixed port is
        in use or no port is free, and `PermissionError` for a port below 1024 that needs privileges.
        """
        held = self._held.get((service, name))
        if held:
            holder = taken(held[0])
            if holder is None:
                return held[0]
            if not (self._leased or may_differ):
                raise PortError(held[0], holder)
            self.give_back(service, name)
        if self._leased:
            return self._take_free(service, name)
        try:
            return self._take_fixed(service, name, wanted)
        except PortError:
            if not may_differ:
                raise
            return self._take_free(service, name)

    def _take_fixed(self, service: str, name: str, wanted: int) -> int:
        # Because of the lock, other stacks do not use a fixed port, also while no process listens on it.
        descriptor = self._lock(wanted)
        for _ in range(ATTEMPTS):
            if descriptor is None:
                time.sleep(0.002)  # a process that removes unused lock files locks each for a short time
                descriptor = self._lock(wanted)
        if descriptor is None:
            raise PortError(
                wanted, f"another stack of this user, with the data directory {self._owner(wanted)}"
            )
        self._held[service, name] = wanted, descriptor
        if (holder := taken(wanted)) is not None:
            self.give_back(service, name)
            raise PortError(wanted, holder)
        return wanted

    def _take_free(self, service: str, name: str) -> int:
        offset = int.from_bytes(os.urandom(4))  # so that two stacks rarely try the same port
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
        return {name: self.take(service, name, number, may_differ) for name, number in wanted.items()}

    def give_back(self, service: str, name: str | None = None) -> None:
        """Release the port `name` of a service, or all its ports if `name` is None."""
        for key in [key for key in self._held if key[0] == service and name in {None, key[1]}]:
            port, descriptor = self._held.pop(key)
            file_lock.remove(descriptor, self._path(port))

    def close(self) -> None:
        """Release all ports of the stack, and remove lock files of ports that killed processes left."""
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
        # On macOS a bind to one address succeeds despite a listener on all addresses. Source: setsockopt(2)
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

    Only root can see the processes of other users. For other users, the text for such a process is
    `a process of another user`.
    """
    if sys.platform != "linux":
        return _ask_lsof(port)
    sockets = {inode for inode, (_, number) in _listening_sockets().items() if number == port}
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        if sockets & _open_sockets(pid):
            return f"pid {pid} ({command(pid)})"
    return "a process of another user"


def listening(pids: Iterable[int]) -> set[tuple[str, int]]:
    """Return address and number of the TCP ports on which processes listen; empty without /proc."""
    sockets = _listening_sockets()
    opened = {inode for pid in pids for inode in _open_sockets(pid)}
    return {sockets[inode] for inode in opened & sockets.keys()}


def listeners(address: str, port: int) -> int:
    """Return how many sockets listen on an address and port; with SO_REUSEPORT, there can be several."""
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
            with contextlib.suppress(OSError):  # closed meanwhile
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
    """Return the lines about listening sockets that `lsof` prints; each begins with the letter of a field."""
    import subprocess

    command = ["lsof", "-nP", address, "-sTCP:LISTEN", fields]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    except OSError:
        return []
