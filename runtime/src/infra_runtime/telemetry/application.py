"""The ASGI application of the telemetry service: OTLP requests, the query API, and the checks of requests.

Sources: OpenTelemetry specification, "OTLP/HTTP" (paths, status codes, retries); Fetch standard, "HTTP
header layer division" (a web page cannot send the media types of OTLP without a preflight request).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra_runtime.telemetry import ALERTS, KEY_HEADER, LONGEST_WAIT, alerts, decode, queries
from infra_runtime.telemetry.decode import REQUESTS, Signal
from infra_runtime.telemetry.error_alerts import ErrorAlerts
from infra_runtime.telemetry.forwarding import Forwarder
from infra_runtime.telemetry.reception import RETRY_AFTER, Reception, RefusedError
from infra_runtime.telemetry.store import Store

#: the media types of OTLP
_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
#: the seconds between two transactions while transactions fail, and the shortest time in seconds between two
#: reads of a waiting query
INTERVAL = 0.1
PAUSE = 0.02
#: the accepted names of this machine in the header `Host`
_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Telemetry:
    """The handlers of all requests except those of gRPC, and the task that writes records."""

    def __init__(
        self,
        store: Store,
        reception: Reception,
        forwarders: Sequence[Forwarder] = (),
        error_alerts: ErrorAlerts | None = None,
    ) -> None:
        self._store, self._reception, self._forwarders = store, reception, forwarders
        self._error_alerts = error_alerts
        #: an event that is set after the next transaction or alerts, and then replaced by a new event
        self._written = asyncio.Event()

    def application(self) -> Starlette:
        """Return the ASGI application with all routes."""
        lists: dict[str, Callable[[Mapping[str, str]], dict[str, Any]]] = {
            "spans": functools.partial(queries.rows, self._store, "span"),
            "logs": functools.partial(queries.rows, self._store, "log"),
            "points": functools.partial(queries.rows, self._store, "point"),
            "traces": functools.partial(queries.traces, self._store),
            "metrics": functools.partial(queries.metrics, self._store),
            "alerts": functools.partial(queries.stored_alerts, self._store),
            "errors": functools.partial(queries.error_groups, self._store),
            "state": lambda _: {
                **queries.state(self._store),
                "forwarding": [forwarder.state() for forwarder in self._forwarders],
            },
        }
        return Starlette(
            routes=[
                Route("/health", self._health),
                Route(ALERTS, self._receive_alerts, methods=["POST"]),
                *(Route(f"/v1/{signal}", self._exporting(signal), methods=["POST"]) for signal in REQUESTS),
                *(Route(f"/api/v1/{name}", self._listing(answer)) for name, answer in lists.items()),
                Route("/api/v1/traces/{trace}", self._trace),
            ]
        )

    async def write_forever(self) -> None:
        """Write queued records until the task is cancelled; after a failed transaction, try again."""
        while True:
            if not self._store.problem:
                await self._reception.queued.wait()
                self._reception.queued.clear()
            self._store.write()
            self._reception.answer()
            if self._error_alerts:
                self._error_alerts.add(self._store.take_errors())
            self._notify_queries()
            if not self._store.is_empty:
                self._reception.queued.set()
            # Requests are handled between two transactions.
            await asyncio.sleep(INTERVAL if self._store.problem else 0)

    # --- OTLP --------------------------------------------------------------------------------------

    def _exporting(self, signal: Signal) -> Callable[[Request], Awaitable[Response]]:
        async def export(request: Request) -> Response:
            media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            is_json = media_type == _JSON
            try:
                self._check(request)
                body = await self._export(signal, request, media_type)
            except RefusedError as error:
                is_busy = error.status is HTTPStatus.SERVICE_UNAVAILABLE
                headers = {"retry-after": str(RETRY_AFTER)} if is_busy else None
                body = decode.error(error.reason, is_json=is_json)
                return Response(body, error.status, headers, _PROTOBUF if not is_json else media_type)
            return Response(body, media_type=media_type)

        return export

    async def _export(self, signal: Signal, request: Request, media_type: str) -> bytes:
        if media_type not in {_PROTOBUF, _JSON}:
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"use {_PROTOBUF} or {_JSON}")
        is_json = media_type == _JSON
        encoding = request.headers.get("content-encoding", "").strip().lower() or "identity"
        try:
            records = await self._reception.receive(
                signal, request.stream(), encoding=encoding, is_json=is_json
            )
        except ClientDisconnect as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "the client has closed the connection") from error
        return decode.response(signal, records.rejected, records.reason, is_json=is_json)

    # --- alerts ------------------------------------------------------------------------------------

    async def _receive_alerts(self, request: Request) -> Response:
        try:
            self._check(request)
            await self._reception.receive_alerts(request.stream())
        except RefusedError as error:
            return JSONResponse({"error": error.reason}, error.status)
        except (alerts.AlertsError, ClientDisconnect) as error:
            return JSONResponse({"error": str(error)}, HTTPStatus.BAD_REQUEST)
        self._notify_queries()
        return Response(status_code=HTTPStatus.NO_CONTENT)

    def _notify_queries(self) -> None:
        """Let the queries that wait for a row read the store again."""
        self._written.set()
        self._written = asyncio.Event()

    # --- the query API -----------------------------------------------------------------------------

    def _listing(
        self, answer: Callable[[Mapping[str, str]], dict[str, Any]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            parameters = dict(request.query_params)
            try:
                self._check(request)
                wait = _seconds(parameters.pop("wait", "0"))
                return JSONResponse(await self._first(functools.partial(answer, parameters), wait))
            except RefusedError as error:
                return JSONResponse({"error": error.reason}, error.status)

        return handle

    async def _trace(self, request: Request) -> Response:
        try:
            self._check(request)
            name, run = request.path_params["trace"], request.query_params.get("run", "")
            content = await _in_thread(functools.partial(queries.trace, self._store, name, run))
        except RefusedError as error:
            return JSONResponse({"error": error.reason}, error.status)
        if not content["spans"] and not content["logs"]:
            return JSONResponse({"error": f"the trace {name} does not exist"}, HTTPStatus.NOT_FOUND)
        return JSONResponse(content)

    async def _first(self, answer: Callable[[], dict[str, Any]], wait: float) -> dict[str, Any]:
        """Repeat a query until its answer contains an item, or for `wait` seconds; return the last answer."""
        deadline = time.monotonic() + wait
        while True:
            next_transaction = self._written
            result = await _in_thread(answer)
            remaining = deadline - time.monotonic()
            if result.get("items", True) or remaining <= 0:
                return result
            await asyncio.sleep(min(PAUSE, remaining))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(next_transaction.wait(), remaining)

    async def _health(self, request: Request) -> Response:
        if not _is_local(request):
            return JSONResponse({"error": "foreign host name"}, HTTPStatus.FORBIDDEN)
        problem = self._store.problem
        content = {"status": "degraded" if problem else "ok", "problem": problem}
        return JSONResponse(content, HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK)

    # --- checks ------------------------------------------------------------------------------------

    def _check(self, request: Request) -> None:
        """Refuse requests without the key, and requests for the host name of another web site."""
        if not _is_local(request):
            raise RefusedError(HTTPStatus.FORBIDDEN, "the header Host must contain a name of this machine")
        # Alertmanager can send the key only in the header `Authorization`.
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        self._reception.check_key(request.headers.get(KEY_HEADER, token))


def _is_local(request: Request) -> bool:
    hosts = request.headers.getlist("host")
    if len(hosts) != 1:
        return False
    name, colon, port = hosts[0].rpartition(":")
    return name.lower() in _HOSTS and colon == ":" and port.isascii() and port.isdigit()


async def _in_thread(answer: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return await asyncio.to_thread(answer)
    except queries.QueryError as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, str(error)) from error


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_WAIT:
        raise RefusedError(
            HTTPStatus.BAD_REQUEST,
            f"the parameter wait must be a number from 0 to {LONGEST_WAIT:g}, not {text!r}",
        )
    return seconds
