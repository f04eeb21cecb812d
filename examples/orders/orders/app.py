"""The HTTP API: `POST /orders`, `GET /orders/ID`, `GET /orders/last`, `POST /tokens` and `DELETE /tokens`.

The middleware of `infra_runtime.web` adds `/health`, `/ready`, `/metrics` and `/debug/…`. The gRPC API and
the background job run in the same process.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import structlog
from prometheus_client import Counter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from valkey.asyncio import Valkey

from infra_runtime import web
from orders import jobs, rpc
from orders.store import Store

#: the permissions of each role
ROLES = {"clerk": ["orders:write", "orders:read"], "reader": ["orders:read"]}

log = structlog.get_logger("orders")


class InvalidOrderError(ValueError):
    """The body of a request is not an order."""


class OrderNotFoundError(LookupError):
    """No order has this id."""


@dataclass(frozen=True, kw_only=True)
class Shop:
    """What a request needs."""

    store: Store
    audit: web.AuditLog
    tokens: web.Tokens
    placed: Counter


async def place(request: Request) -> Response:
    """Place an order, and record in the audit log which actor has placed it."""
    actor, shop = web.require("orders:write"), _shop(request)
    order = await shop.store.place(**_order_fields(await request.body()))
    await shop.audit.record("order.placed", actor=actor.id, order=order.id)
    shop.placed.inc()
    web.session()["last"] = order.id
    log.info("order_placed", order=order.id, quantity=order.quantity)
    return JSONResponse(asdict(order), status_code=201, headers={"Location": f"/orders/{order.id}"})


async def show(request: Request) -> Response:
    """Return an order; the header `X-Cache` is `hit` if it was read from the cache."""
    web.require("orders:read")
    return await _order(request, request.path_params["id"])


async def show_last(request: Request) -> Response:
    """Return the order that was placed last in the session of the browser."""
    web.require("orders:read")
    last = web.session().get("last")
    if last is None:
        raise OrderNotFoundError("this session has no order")
    return await _order(request, uuid.UUID(str(last)))


async def renew_tokens(request: Request) -> Response:
    """Exchange the refresh token in the body for a new pair of tokens; each refresh token is valid once."""
    pair = await _shop(request).tokens.refresh((await request.body()).decode("latin-1"))
    web.session().renew()
    return JSONResponse({"access": pair.access, "refresh": pair.refresh})


async def log_out(request: Request) -> Response:
    """Revoke all tokens of the log-in to which the token of this request belongs, and end the session."""
    actor, shop = web.require("orders:read"), _shop(request)
    token = request.headers["Authorization"].partition(" ")[2]
    await shop.tokens.revoke_login(await shop.tokens.verify(token.strip()))
    web.session().clear()
    await shop.audit.record("logged_out", actor=actor.id)
    return Response(status_code=204)


async def _order(request: Request, order_id: uuid.UUID) -> Response:
    order, cached = await _shop(request).store.find(order_id)
    if order is None:
        raise OrderNotFoundError(f"the order {order_id} does not exist")
    log.debug("order_found", order=order.id, cached=cached)
    return JSONResponse(asdict(order), headers={"X-Cache": "hit" if cached else "miss"})


def _order_fields(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except ValueError:
        fields = None
    match fields:
        case {"customer": str(customer), "item": str(item), "quantity": int(quantity)} if (
            customer and item and 0 < quantity < 1_000_000
        ):
            return {"customer": customer, "item": item, "quantity": quantity}
    raise InvalidOrderError("an order needs a customer, an item and a quantity above 0 and below 1000000")


def _shop(request: Request) -> Shop:
    shop: Shop = request.app.state.shop
    return shop


def create_app() -> web.Application:
    """Return the application with its middleware; the settings are the variables `WEB_…`."""
    settings = web.WebSettings(version="1.0")
    metrics = web.Metrics(prefix="shop")
    cache = Valkey.from_url(os.environ["VALKEY_URL"])
    store = Store(os.environ["DATABASE_URL"], os.environ["NATS_URL"], cache, metrics)
    storage = web.ValkeyStorage(cache)
    tokens = web.Tokens.from_settings(settings, storage)
    if tokens is None:
        raise KeyError("WEB_JWT_SECRET")
    shop = Shop(
        store=store,
        audit=web.AuditLog.from_settings(settings),
        tokens=tokens,
        placed=metrics.counter("orders_placed", "Orders that were placed."),
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        service = rpc.OrdersService(store, tokens, ROLES)
        async with (
            store,
            jobs.confirming(store, metrics),
            rpc.serving(service, os.environ["GRPC_ADDRESS"], metrics),
        ):
            yield

    app = Starlette(
        routes=[
            Route("/orders", place, methods=["POST"]),
            Route("/orders/last", show_last),
            Route("/orders/{id:uuid}", show),
            Route("/tokens", renew_tokens, methods=["POST"]),
            Route("/tokens", log_out, methods=["DELETE"]),
        ],
        lifespan=lifespan,
    )
    app.state.shop = shop
    return web.application(
        app,
        settings,
        checks=store.checks,
        roles=ROLES,
        statuses={InvalidOrderError: 422, OrderNotFoundError: 404},
        tokens=tokens,
        storage=storage,
        metrics=metrics,
    )
