"""The gRPC API for other services: `shop.Orders/Find` returns an order.

The request is a `google.protobuf.StringValue` with the id, the response a `google.protobuf.Struct`.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import grpc
import grpc.aio
import structlog
from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import StringValue

from infra_runtime import web
from infra_runtime.web.grpc_metrics import AioGrpcMetrics
from orders.store import Store

SERVICE = "shop.Orders"
#: seconds that open calls have to finish at the end
GRACE = 2.0

log = structlog.get_logger("orders.rpc")


class OrdersService:
    """The methods of the service; a caller needs the access token of an actor in its metadata."""

    def __init__(self, store: Store, tokens: web.Tokens, roles: Mapping[str, list[str]]) -> None:
        self._store, self._tokens, self._roles = store, tokens, roles

    async def find(self, request: StringValue, context: Any) -> Struct:
        """Return an order; the status is `NOT_FOUND` if no order has this id."""
        metadata = dict(context.invocation_metadata())
        with web.continued(metadata):
            actor = await self._actor(metadata.get("authorization", ""), "orders:read", context)
            try:
                order, _ = await self._store.find(uuid.UUID(request.value))
            except ValueError:
                order = None
            log.info("order_requested", order=request.value, actor=actor.id, kind=actor.kind.value)
            answer = Struct()
            if order:
                answer.update(asdict(order))
            else:
                await context.abort(grpc.StatusCode.NOT_FOUND, "no order has this id")
            return answer

    async def _actor(self, authorization: str, permission: str, context: Any) -> web.Actor:
        try:
            actor = await self._tokens.actor(authorization.removeprefix("Bearer "), self._roles)
        except web.ProblemError:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "this call needs a valid token")
            raise
        if not actor.may(permission):
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, f"this call needs {permission}")
        return actor


@asynccontextmanager
async def serving(service: OrdersService, address: str, metrics: web.Metrics) -> AsyncIterator[None]:
    """Answer calls on an address, such as `127.0.0.1:50051`, while the block runs."""
    behaviour: Any = service.find  # the types of the library describe servers with threads
    find = grpc.unary_unary_rpc_method_handler(
        behaviour,
        request_deserializer=StringValue.FromString,
        response_serializer=Struct.SerializeToString,
    )
    server = grpc.aio.server(interceptors=[AioGrpcMetrics(metrics)])
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {"Find": find})])
    server.add_insecure_port(address)
    await server.start()
    try:
        yield
    finally:
        await server.stop(GRACE)
