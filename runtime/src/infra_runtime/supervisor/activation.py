"""Listening sockets of services that start at the first connection (socket activation).

The supervisor listens on the ports of such a service before its process starts, and the process inherits the
sockets. Until the process accepts a connection, the connection waits in the queue of the socket, so no
client gets an error. While the process runs, the supervisor does not use the sockets. If the process exits
unexpectedly, the sockets stay open, and the next process accepts the waiting connections.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping

from infra_runtime.host.ports import LOOPBACK

#: the number of connections that can wait in the queue of a socket
BACKLOG = 1024


class Activation:
    """The listening sockets of the services of one stack."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        #: service → port name → socket
        self._sockets: dict[str, dict[str, socket.socket]] = {}

    def listen(self, service: str, ports: Mapping[str, int], connected: Callable[[], None]) -> None:
        """Listen on the ports of a service, and call `connected` once, at the first connection.

        Sockets that an earlier call has opened are used again. Raises `OSError` if a port cannot be used.
        """
        sockets = self._sockets.setdefault(service, {})
        try:
            for name in ports.keys() - sockets.keys():
                sockets[name] = _listening(ports[name])
        except OSError:
            self.close(service)
            raise

        def on_first_connection() -> None:
            self._ignore(service)
            connected()

        for server in sockets.values():
            self._loop.add_reader(server, on_first_connection)

    def ports(self, service: str) -> dict[str, int]:
        """Return the ports on which the supervisor listens for a service: a mapping from name to number.

        The mapping is empty if the supervisor does not listen for the service.
        """
        return {name: server.getsockname()[1] for name, server in self._sockets.get(service, {}).items()}

    def descriptors(self, service: str) -> dict[str, int]:
        """Return a mapping from port name to the file descriptor of the listening socket, for one service.

        The mapping is empty if the supervisor does not listen for the service.
        """
        return {name: server.fileno() for name, server in self._sockets.get(service, {}).items()}

    def close(self, service: str) -> bool:
        """Close the listening sockets of a service; return whether it had any."""
        self._ignore(service)
        sockets = self._sockets.pop(service, {})
        for server in sockets.values():
            server.close()
        return bool(sockets)

    def _ignore(self, service: str) -> None:
        for server in self._sockets.get(service, {}).values():
            self._loop.remove_reader(server)


def _listening(port: int) -> socket.socket:
    server = socket.socket()
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((LOOPBACK, port))
        server.listen(BACKLOG)
        server.setblocking(False)
    except OSError:
        server.close()
        raise
    return server
