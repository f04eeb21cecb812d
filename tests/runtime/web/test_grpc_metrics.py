"""The interceptors for servers of grpcio, with real servers and a client of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("grpc", reason="needs the extra `web-grpc`")
pytest.importorskip("prometheus_client", reason="needs the extra `web-grpc`")

import grpc
import grpc.aio

from infra_runtime.web.grpc_metrics import AioGrpcMetrics, GrpcMetrics
from infra_runtime.web.metrics import Metrics

pytestmark = pytest.mark.process

SERVICE = "shop.Orders"


def handlers(behaviours: dict[str, tuple[str, Callable[..., Any]]]) -> Any:
    """Return the service with these methods: name → kind, function."""
    methods = {
        name: getattr(grpc, f"{kind}_rpc_method_handler")(function)
        for name, (kind, function) in behaviours.items()
    }
    return grpc.method_handlers_generic_handler(SERVICE, methods)


def calls(channel: Any) -> list[str]:
    """Call all methods; return the status codes."""

    def code(call: Callable[[], Any]) -> str:
        try:
            call()
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"

    def path(name: str) -> str:
        return f"/{SERVICE}/{name}"

    return [
        code(lambda: channel.unary_unary(path("Place"))(b"1", timeout=60)),
        code(lambda: channel.unary_unary(path("Place"))(b"0", timeout=60)),
        code(lambda: channel.unary_unary(path("Place"))(b"x", timeout=60)),
        code(lambda: list(channel.unary_stream(path("List"))(b"3", timeout=60))),
        code(lambda: channel.stream_unary(path("Sum"))(iter([b"1", b"2"]), timeout=60)),
        code(lambda: list(channel.stream_stream(path("Echo"))(iter([b"1", b"2"]), timeout=60))),
        code(lambda: channel.unary_unary(path("Missing"))(b"", timeout=60)),
    ]


CODES = ["OK", "NOT_FOUND", "UNKNOWN", "OK", "OK", "OK", "UNIMPLEMENTED"]


def check(metrics: Metrics) -> None:
    """Check that the metrics contain the calls that the function `calls` makes."""

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, {"grpc_service": SERVICE, **labels})

    place = {"grpc_type": "unary", "grpc_method": "Place"}
    for code in ("OK", "NOT_FOUND", "UNKNOWN"):
        assert value("grpc_server_handled_total", **place, grpc_code=code) == 1
    assert value("grpc_server_started_total", **place) == 3
    for kind, method in (("server_stream", "List"), ("client_stream", "Sum"), ("bidi_stream", "Echo")):
        labels = {"grpc_type": kind, "grpc_method": method}
        assert value("grpc_server_handled_total", **labels, grpc_code="OK") == 1
        assert value("grpc_server_handling_seconds_count", **labels) == 1
    assert value("grpc_server_started_total", grpc_type="unary", grpc_method="Missing") is None


def test_a_server_with_threads_is_measured() -> None:
    def place(request: bytes, context: Any) -> bytes:
        if int(request) == 0:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such order")
        return request

    def several(request: bytes, _: Any) -> Iterator[bytes]:
        yield from (b"%d" % number for number in range(int(request)))

    def total(requests: Iterator[bytes], _: Any) -> bytes:
        return b"%d" % sum(map(int, requests))

    def echo(requests: Iterator[bytes], _: Any) -> Iterator[bytes]:
        yield from requests

    metrics = Metrics()
    server = grpc.server(ThreadPoolExecutor(2), interceptors=[GrpcMetrics(metrics)])
    methods = {
        "Place": ("unary_unary", place),
        "List": ("unary_stream", several),
        "Sum": ("stream_unary", total),
        "Echo": ("stream_stream", echo),
    }
    server.add_generic_rpc_handlers([handlers(methods)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            codes = calls(channel)
    finally:
        server.stop(None).wait(300)

    assert codes == CODES
    check(metrics)


def test_a_server_with_asyncio_is_measured() -> None:
    async def place(request: bytes, context: Any) -> bytes:
        if int(request) == 0:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such order")
        return request

    async def several(request: bytes, _: Any) -> Any:
        for number in range(int(request)):
            yield b"%d" % number

    async def total(requests: Any, _: Any) -> bytes:
        return b"%d" % sum([int(request) async for request in requests])

    async def echo(requests: Any, _: Any) -> Any:
        async for request in requests:
            yield request

    metrics = Metrics()

    async def main() -> list[str]:
        server = grpc.aio.server(interceptors=[AioGrpcMetrics(metrics)])
        methods = {
            "Place": ("unary_unary", place),
            "List": ("unary_stream", several),
            "Sum": ("stream_unary", total),
            "Echo": ("stream_stream", echo),
        }
        server.add_generic_rpc_handlers([handlers(methods)])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                return await asyncio.to_thread(calls, channel)
        finally:
            await server.stop(None)

    assert asyncio.run(main()) == CODES
    check(metrics)
