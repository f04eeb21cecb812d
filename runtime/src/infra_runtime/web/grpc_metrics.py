"""Interceptors that count and measure the calls of a gRPC server of grpcio, with threads or with asyncio.

Source: grpcio's documentation, "gRPC" (`ServerInterceptor`) and "gRPC AsyncIO API".
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import grpc
import grpc.aio

from infra_runtime.web.metrics import Metrics

_Behaviour: TypeAlias = Callable[[Any, Any], Any]

#: whether the client sends several messages, and whether the server does → the kind of the call, and the
#: function of grpc that creates its handler
_KINDS: dict[tuple[bool, bool], tuple[str, str]] = {
    (False, False): ("unary", "unary_unary"),
    (True, False): ("client_stream", "stream_unary"),
    (False, True): ("server_stream", "unary_stream"),
    (True, True): ("bidi_stream", "stream_stream"),
}


class GrpcMetrics(grpc.ServerInterceptor):
    """Interceptor for `grpc.server`, which measures each call."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        """Return a handler that measures the call; None if the method does not exist."""
        return _measured(self._metrics, continuation(handler_call_details), handler_call_details.method)


class AioGrpcMetrics(grpc.aio.ServerInterceptor):
    """Interceptor for `grpc.aio.server`, which measures each call."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """Return a handler that measures the call; None if the method does not exist."""
        handler = await continuation(handler_call_details)
        return _measured(self._metrics, handler, handler_call_details.method)


def _measured(metrics: Metrics, handler: Any, path: str) -> Any:
    if handler is None:
        return None
    service, _, method = path.removeprefix("/").rpartition("/")
    kind, name = _KINDS[handler.request_streaming, handler.response_streaming]
    call = functools.partial(_call, metrics, service, method, kind)
    create = getattr(grpc, f"{name}_rpc_method_handler")
    return create(
        _wrapped(getattr(handler, name), call, is_stream=handler.response_streaming),
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )


@contextmanager
def _call(metrics: Metrics, service: str, method: str, kind: str, context: Any) -> Iterator[None]:
    """Measure a call; its status code is the code in `context`.

    Without such a code, the status code is `CANCELLED` if the call was cancelled, and otherwise the code of
    `Metrics.grpc`.
    """
    with metrics.grpc(service, method, kind) as call:
        try:
            yield
        except (GeneratorExit, asyncio.CancelledError):
            call.code = "CANCELLED"  # the client has ended the call
            raise
        finally:
            code = context.code()
            if code and code is not grpc.StatusCode.OK:
                # The contexts of `grpc.aio` return the code as a number.
                call.code = code.name if isinstance(code, grpc.StatusCode) else _NAMES.get(code, "UNKNOWN")


_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}


def _wrapped(behaviour: _Behaviour, call: Callable[[Any], Any], *, is_stream: bool) -> _Behaviour:
    """Return a function that measures the call, of the kind of `behaviour` (a coroutine, a generator, …)."""
    if inspect.isasyncgenfunction(behaviour):

        async def produce(request: Any, context: Any) -> AsyncIterator[Any]:
            with call(context):
                async for response in behaviour(request, context):
                    yield response

        return produce
    if inspect.iscoroutinefunction(behaviour):

        async def respond(request: Any, context: Any) -> Any:
            with call(context):
                return await behaviour(request, context)

        return respond
    if is_stream:

        def generate(request: Any, context: Any) -> Iterator[Any]:
            with call(context):
                yield from behaviour(request, context)

        return generate

    def answer(request: Any, context: Any) -> Any:
        with call(context):
            return behaviour(request, context)

    return answer
