"""A TCP proxy between clients and an endpoint; the proxy can delay, limit, cut or stall connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self, TypeVar

from infra_runtime.engines.local.stack import Endpoint

LOOPBACK = "127.0.0.1"
BLOCK = 65536
T = TypeVar("T")


class Conditions:
    """The current settings of a proxy: its latency, its bandwidth, and whether it forwards bytes."""

    def __init__(self) -> None:
        #: the seconds by which each byte is delayed in each direction
        self.latency = 0.0
        #: the bytes per second for each connection and direction; None: unlimited
        self.bandwidth: float | None = None
        #: while this event is not set, the proxy forwards no bytes, and the connections stay open
        self.passes = asyncio.Event()
        self.passes.set()


class Proxy:
    """A proxy between clients and a service.

    Clients connect to the `endpoint` of the proxy. The proxy runs in its own thread; its methods can be
    called from every thread.
    """

    def __init__(self, target: Endpoint, port: str | None = None) -> None:
        if not target.ports:
            raise LookupError(f"{target.name} has no port, so a proxy cannot forward connections to it")
        if port not in {None, *target.ports}:
            raise LookupError(f"{target.name} has no port {port!r}; its ports are: {', '.join(target.ports)}")
        self._target = target.ports[port] if port else target.port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="infra-proxy", daemon=True)
        self._thread.start()
        #: task → the socket of the client, because a task that is cancelled before its first step does not
        #: close the socket
        self._serving: dict[asyncio.Task[None], socket.socket] = {}
        self._socket = _bound(0)
        self.port: int = self._socket.getsockname()[1]
        self.endpoint = with_port(target, self._target, self.port)
        self._conditions: Conditions = self._run(self._open())

    def latency(self, seconds: float) -> None:
        """Delay every byte by this number of seconds, in each direction."""
        self._conditions.latency = seconds

    def bandwidth(self, bytes_per_second: float | None) -> None:
        """Limit the bytes per second for each connection and direction; None removes the limit."""
        self._conditions.bandwidth = bytes_per_second

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """Close every connection, and refuse new connections, until the block ends."""
        self._run(self._cut())
        try:
            yield
        finally:
            self._run(self._restore())

    @contextlib.contextmanager
    def half_open(self) -> Iterator[None]:
        """Keep all connections open and accept new connections, but forward no bytes until the block ends."""
        self._call(self._conditions.passes.clear)
        try:
            yield
        finally:
            self._call(self._conditions.passes.set)

    def reset(self) -> None:
        """Remove the latency and the bandwidth limit."""
        self._conditions.latency, self._conditions.bandwidth = 0.0, None

    def close(self) -> None:
        """Close every connection, and end the thread."""
        if self._thread.is_alive():
            self._run(self._close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- in the thread of the loop -------------------------------------------------------------------

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    def _call(self, function: Callable[[], None]) -> None:
        async def work() -> None:
            function()

        self._run(work())

    async def _open(self) -> Conditions:
        self._listen()
        return Conditions()

    def _listen(self) -> None:
        self._socket.listen()
        self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        """Accept the connection of a client in one step, so that a simultaneous `cut` also closes it."""
        try:
            connection, _ = self._socket.accept()
        except OSError:  # the client has closed the connection
            return
        connection.setblocking(False)
        task = self._loop.create_task(self._serve(connection))
        self._serving[task] = connection
        task.add_done_callback(self._serving.pop)

    async def _disconnect(self) -> None:
        """Stop accepting connections, and close every open connection."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        if serving := dict(self._serving):
            for task in serving:
                task.cancel()
            await asyncio.wait(serving)
        await asyncio.sleep(0)  # the transports close their sockets in the next iteration of the event loop
        for connection in serving.values():
            connection.close()

    async def _cut(self) -> None:
        await self._disconnect()
        # The socket is bound but does not listen, so the port stays reserved and connections are refused.
        self._socket = _bound(self.port)

    async def _restore(self) -> None:
        self._listen()

    async def _close(self) -> None:
        await self._disconnect()

    async def _serve(self, connection: socket.socket) -> None:
        writers: list[asyncio.StreamWriter] = []
        try:
            client_reader, client_writer = await asyncio.open_connection(sock=connection)
            writers.append(client_writer)
            service_reader, service_writer = await asyncio.open_connection(LOOPBACK, self._target)
            writers.append(service_writer)
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._pump(client_reader, service_writer))
                directions.create_task(self._pump(service_reader, client_writer))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass  # a side has closed its connection, or `cut` has cancelled the task; both are closed below
        finally:
            for writer in writers:
                writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward the bytes of a connection in one direction, with the current latency and bandwidth.

        Up to 64 delayed blocks wait in a queue, so that latency limits the bandwidth less.
        """
        delayed: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send(delayed, writer))
            while block := await reader.read(BLOCK):
                await delayed.put((self._loop.time() + self._conditions.latency, block))
            await delayed.put((self._loop.time() + self._conditions.latency, b""))

    async def _send(self, delayed: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, block = await delayed.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            await self._conditions.passes.wait()
            if not block:
                writer.write_eof()
                return
            if self._conditions.bandwidth:
                await asyncio.sleep(len(block) / self._conditions.bandwidth)
            writer.write(block)
            await writer.drain()


def with_port(target: Endpoint, old_port: int, new_port: int) -> Endpoint:
    """Return a copy of an endpoint with `new_port` instead of `old_port`, in its ports and exports.

    An export such as `socket_url`, which does not contain the port, still leads to the service itself.
    """
    exports = {name: _replaced(text, old_port, new_port) for name, text in target.items()}
    ports: Mapping[str, int] = {
        name: new_port if port == old_port else port for name, port in target.ports.items()
    }
    return Endpoint(target.name, exports, ports, str(target.data), target.sensitive, target.driver_urls)


def _replaced(text: str, old_port: int, new_port: int) -> str:
    return (
        str(new_port)
        if text == str(old_port)
        else text.replace(f"{LOOPBACK}:{old_port}", f"{LOOPBACK}:{new_port}")
    )


def _bound(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK, port))
    listener.setblocking(False)
    return listener
