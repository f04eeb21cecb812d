"""A TCP proxy in front of an endpoint, whose line can be made slow, thin, dead or deaf."""

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


class Line:
    """What the proxy does to every byte at this moment."""

    def __init__(self) -> None:
        #: seconds that each byte is under way, in either direction
        self.latency = 0.0
        #: bytes in a second for each connection and direction; None: as many as come
        self.bandwidth: float | None = None
        #: while it isn't set nothing passes, and connections stay open
        self.passes = asyncio.Event()
        self.passes.set()


class Proxy:
    """Stands between a client and a service. `endpoint` is what the client shall be given.

    It runs in a thread of its own; its methods may be called from anywhere.
    """

    def __init__(self, target: Endpoint, port: str | None = None) -> None:
        if not target.ports:
            raise LookupError(f"{target.name} has no port; a proxy cannot stand before it")
        if port not in {None, *target.ports}:
            raise LookupError(f"{target.name} has no port {port!r}; there are: {', '.join(target.ports)}")
        self._target = target.ports[port] if port else target.port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="infra-proxy", daemon=True)
        self._thread.start()
        #: with the client's end: a task that is cancelled before its first step closes nothing
        self._serving: dict[asyncio.Task[None], socket.socket] = {}
        self._socket = _bound(0)
        self.port: int = self._socket.getsockname()[1]
        self.endpoint = through(target, self._target, self.port)
        self._line: Line = self._run(self._open())

    def latency(self, seconds: float) -> None:
        """Have every byte arrive later, each way."""
        self._line.latency = seconds

    def bandwidth(self, bytes_per_second: float | None) -> None:
        """Let no more than this through, for each connection and direction; None: no limit."""
        self._line.bandwidth = bytes_per_second

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """Reset every connection, and refuse new ones."""
        self._run(self._cut())
        try:
            yield
        finally:
            self._run(self._mend())

    @contextlib.contextmanager
    def half_open(self) -> Iterator[None]:
        """Keep every connection, accept new ones, and let not one byte through: the peer seems to think."""
        self._call(self._line.passes.clear)
        try:
            yield
        finally:
            self._call(self._line.passes.set)

    def reset(self) -> None:
        """An undisturbed line again."""
        self._line.latency, self._line.bandwidth = 0.0, None

    def close(self) -> None:
        """End every connection and the thread."""
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

    def _call(self, act: Callable[[], None]) -> None:
        async def work() -> None:
            act()

        self._run(work())

    async def _open(self) -> Line:
        self._listen()
        return Line()

    def _listen(self) -> None:
        self._socket.listen()
        self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        """Take a connection in one step: nothing is lost on the way when the line is cut meanwhile."""
        try:
            connection, _ = self._socket.accept()
        except OSError:  # whoever knocked is gone
            return
        connection.setblocking(False)
        task = self._loop.create_task(self._serve(connection))
        self._serving[task] = connection
        task.add_done_callback(self._serving.pop)

    async def _deafen(self) -> None:
        """Accept no more, and end every connection."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        if serving := dict(self._serving):
            for task in serving:
                task.cancel()
            await asyncio.wait(serving)
        await asyncio.sleep(0)  # the transports close their sockets in the loop's next round
        for connection in serving.values():
            connection.close()

    async def _cut(self) -> None:
        await self._deafen()
        # Bound and not listening: the port stays ours, and whoever comes is refused.
        self._socket = _bound(self.port)

    async def _mend(self) -> None:
        self._listen()

    async def _close(self) -> None:
        await self._deafen()

    async def _serve(self, connection: socket.socket) -> None:
        ends: list[asyncio.StreamWriter] = []
        try:
            reader, near = await asyncio.open_connection(sock=connection)
            ends.append(near)
            far_reader, far = await asyncio.open_connection(LOOPBACK, self._target)
            ends.append(far)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, far))
                both.create_task(self._pump(far_reader, near))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass  # one side is gone: so is the line
        finally:
            for end in ends:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction. What is under way waits in a queue: latency takes nothing from the bandwidth."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._send(under_way, writer))
            while block := await reader.read(BLOCK):
                await under_way.put((self._loop.time() + self._line.latency, block))
            await under_way.put((self._loop.time() + self._line.latency, b""))

    async def _send(
        self, under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        while True:
            due, block = await under_way.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            await self._line.passes.wait()
            if not block:
                writer.write_eof()
                return
            if self._line.bandwidth:
                await asyncio.sleep(len(block) / self._line.bandwidth)
            writer.write(block)
            await writer.drain()


def through(target: Endpoint, old: int, new: int) -> Endpoint:
    """The same endpoint by way of another port."""
    exports = {name: _moved(text, old, new) for name, text in target.items()}
    ports: Mapping[str, int] = {name: new if port == old else port for name, port in target.ports.items()}
    return Endpoint(target.name, exports, ports, str(target.data))


def _moved(text: str, old: int, new: int) -> str:
    return str(new) if text == str(old) else text.replace(f"{LOOPBACK}:{old}", f"{LOOPBACK}:{new}")


def _bound(port: int) -> socket.socket:
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind((LOOPBACK, port))
    found.setblocking(False)
    return found
