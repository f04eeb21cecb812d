"""The process of the inbox, which serves SMTP and HTTP until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from http import HTTPStatus
from pathlib import Path

from infra_runtime.inbox.api import Api
from infra_runtime.inbox.requests import (
    LIMIT,
    Request,
    RequestError,
    Response,
    check_origin,
    error_response,
    read_request,
)
from infra_runtime.inbox.smtp import Connection, Handler
from infra_runtime.inbox.store import Store
from infra_runtime.value import frozen


@frozen
class Settings:
    """The addresses of the server, the folder of the messages, and the limits."""

    host: str
    smtp_port: int
    http_port: int
    folder: Path
    max_messages: int
    max_bytes: int
    max_message_bytes: int
    durable: bool


async def serve(settings: Settings) -> None:
    """Run the server until the process gets SIGTERM or SIGINT. Raises `OSError` if a port is in use."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    store = Store(
        settings.folder,
        max_messages=settings.max_messages,
        max_bytes=settings.max_bytes,
        durable=settings.durable,
    )
    store.load()
    handler = Handler(store)
    # The SMTP server is started first, because the service is ready when the HTTP server answers.
    smtp = await loop.create_server(
        lambda: Connection(handler, settings.max_message_bytes), settings.host, settings.smtp_port
    )
    http = await asyncio.start_server(
        Connections(Api(store)).handle, settings.host, settings.http_port, limit=LIMIT
    )
    print(
        f"smtp://{settings.host}:{settings.smtp_port} and http://{settings.host}:{settings.http_port}: "
        f"{len(store)} messages in {settings.folder}",
        flush=True,
    )
    await stopping.wait()
    smtp.close()
    http.close()


class Connections:
    """Handles HTTP connections; each connection has one request."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the request of a connection, and close the connection."""
        try:
            with contextlib.suppress(ConnectionError):
                if response := await self._response(reader):
                    writer.write(response)
                    await writer.drain()
        finally:
            writer.close()

    async def _response(self, reader: asyncio.StreamReader) -> bytes | None:
        """Return the response to the request of a connection; None if the client closes the connection."""
        request: Request | None = None
        try:
            request = await read_request(reader)
            if request is None:
                return None
            check_origin(request)
            response = await self._unless_closed(reader, request)
        except RequestError as error:
            response = error_response(error)
        except ConnectionError:
            return None
        except Exception as error:  # noqa: BLE001 - a message that cannot be shown must not end the server
            print(f"{request.path}: {error!r}" if request else repr(error), flush=True)
            response = error_response(RequestError(HTTPStatus.INTERNAL_SERVER_ERROR, repr(error)))
        return response.encode() if response else None

    async def _unless_closed(self, reader: asyncio.StreamReader, request: Request) -> Response | None:
        """Return the response to a request; None if the client closes the connection before the response."""
        answering = asyncio.create_task(self._api.answer(request))
        closing = asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait((answering, closing), return_when=asyncio.FIRST_COMPLETED)
            return await answering if answering.done() else None
        finally:
            answering.cancel()
            closing.cancel()
            await asyncio.gather(answering, closing, return_exceptions=True)
