"""Ports: fixed ones are checked, leased ones are locked, a stranger's is named and left alone."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys

from infra_runtime.host import file_lock

#: below what any kernel hands out by itself (Linux 32768, macOS 49152), above what is well known
FIRST, LAST = 20000, 32767
LOOPBACK = "127.0.0.1"
LISTEN = "0A"


class PortError(Exception):
    """A port cannot be had; the message says which and who holds it."""

    def __init__(self, port: int, holder: str) -> None:
        super().__init__(port, holder)
        self.port, self.holder = port, holder


class Ports:
    """The ports of one stack. Two stacks never lease the same one: a lease is a locked file for each port.

    `owner` is what the file says to others: the data directory of the stack.
    """

    def __init__(self, locks: str, owner: str, *, leased: bool) -> None:
        self._locks = locks
        self._name = owner
        self._leased = leased
        self._held: dict[tuple[str, str], tuple[int, int]] = {}  # (service, name) → port, descriptor

    def take(self, service: str, name: str, wanted: int) -> int:
        """The port for a service's named endpoint; the same one again as long as it is held.

        Raises `PortError` when a fixed one is taken, or when nothing is free, and `PermissionError` for one
        that isn't ours to have.
        """
        held = self._held.get((service, name))
        if held:
            holder = taken(held[0])
            if holder is None:
                return held[0]
            if not self._leased:
                raise PortError(held[0], holder)
            self.give_back(service, name)
        if not self._leased:
            # Our own stacks respect one another's fixed ports, also while nothing listens there.
            descriptor = self._lock(wanted)
            if descriptor is None:
                raise PortError(wanted, f"another stack of yours, in {self._owner(wanted)}")
            self._held[service, name] = wanted, descriptor
            if (holder := taken(wanted)) is not None:
                self.give_back(service, name)
                raise PortError(wanted, holder)
            return wanted
        offset = int.from_bytes(os.urandom(4))  # so that two stacks hardly ever try the same one
        for step in range(LAST - FIRST + 1):
            port = FIRST + (offset + step) % (LAST - FIRST + 1)
            descriptor = self._lock(port)
            if descriptor is None:
                continue
            if taken(port, name_it=False) is None:
                self._held[service, name] = port, descriptor
                return port
            os.close(descriptor)
        raise PortError(FIRST, "others, like every other port that tests may lease")

    def give_back(self, service: str, name: str | None = None) -> None:
        """End the lease of one port, or of all of a service."""
        for key in [key for key in self._held if key[0] == service and name in {None, key[1]}]:
            os.close(self._held.pop(key)[1])

    def all(self) -> list[int]:
        """Every port that is held."""
        return sorted(port for port, _ in self._held.values())

    def _lock(self, port: int) -> int | None:
        # The files stay: removing one while another process waits for it would give it to two.
        os.makedirs(self._locks, mode=0o700, exist_ok=True)
        if (descriptor := file_lock.acquire(f"{self._locks}/{port}")) is None:
            return None
        with contextlib.suppress(OSError):  # a full disk: it is locked all the same
            os.truncate(descriptor, 0)
            os.write(descriptor, os.fsencode(self._name))
        return descriptor

    def _owner(self, port: int) -> str:
        with open(f"{self._locks}/{port}", "rb") as file:
            return os.fsdecode(file.read()) or "a directory that it is just about to name"


def taken(port: int, *, name_it: bool = True) -> str | None:
    """Who listens on a loopback port; None when it is free. A stranger that can't be named is "a process".

    Raises `PermissionError` for one that isn't ours to have.
    """
    if sys.platform != "linux":
        # There a bind to one address succeeds beside a listener on all of them. Source: macOS, setsockopt(2)
        with socket.socket() as visitor:
            visitor.settimeout(1)
            if visitor.connect_ex((LOOPBACK, port)) == 0:
                return holder(port) if name_it else "a process"
    with socket.socket() as probe:
        # With this option a connection that only waits out its TIME_WAIT is no obstacle; a listener is.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno == errno.EACCES:
                reason = "ports below 1024 need privileges here"
                raise PermissionError(errno.EACCES, reason, f"port {port}") from None
            return holder(port) if name_it else "a process"
    return None


def holder(port: int) -> str:
    """`pid 4711 (python -m http.server)`: who listens there, as far as we may see."""
    if sys.platform != "linux":
        return _ask_lsof(port)
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as file:
                lines = [line.split() for line in file][1:]
        except OSError:
            continue
        inodes |= {
            f"socket:[{line[9]}]"
            for line in lines
            if line[3] == LISTEN and int(line[1].rpartition(":")[2], 16) == port
        }
    for pid in (name for name in os.listdir("/proc") if name.isdigit()):
        try:
            found = any(os.readlink(f"/proc/{pid}/fd/{fd}") in inodes for fd in os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            continue
        if found:
            return f"pid {pid} ({command(int(pid))})"
    return "a process of another user"


def command(pid: int) -> str:
    """The command line of a process, cut to a readable length."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        words = ""
    return (words[:77] + "…" if len(words) > 78 else words) or "unknown"


def _ask_lsof(port: int) -> str:
    import subprocess

    command = ["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc"]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    except OSError:
        lines = []
    found = {line[0]: line[1:] for line in lines if line}
    return f"pid {found['p']} ({found.get('c', 'unknown')})" if "p" in found else "a process of another user"
