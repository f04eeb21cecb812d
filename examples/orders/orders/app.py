"""The HTTP API: `POST /orders`, `GET /orders/ID`, `GET /health`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from orders.store import Store, open_store


async def place(request: Request) -> Response:
    """Place an order."""
    try:
        order_fields = _order_fields(await request.json())
    except ValueError as error:
        return JSONResponse({"error": str(error)}, status_code=422)
    order = await _store(request).place(**order_fields)
    return JSONResponse(asdict(order), status_code=201, headers={"Location": f"/orders/{order.id}"})


async def show(request: Request) -> Response:
    """Return an order; the header `X-Cache` is `hit` if it was read from the cache."""
    order, cached = await _store(request).find(request.path_params["id"])
    if order is None:
        return JSONResponse({"error": "order not found"}, status_code=404)
    return JSONResponse(asdict(order), headers={"X-Cache": "hit" if cached else "miss"})


async def health(_: Request) -> Response:
    """Return 200; requests are accepted only after all connections are open."""
    return PlainTextResponse("ok")


def _order_fields(body: Any) -> dict[str, Any]:
    match body:
        case {"customer": str(customer), "item": str(item), "quantity": int(quantity)} if (
            customer and item and 0 < quantity < 1_000_000
        ):
            return {"customer": customer, "item": item, "quantity": quantity}
    raise ValueError("an order needs a customer, an item and a quantity above 0")


def _store(request: Request) -> Store:
    store: Store = request.state.store
    return store


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Store]]:
    """Open the connections at the start and close them at the end."""
    urls = (os.environ[name] for name in ("DATABASE_URL", "NATS_URL", "VALKEY_URL"))
    async with open_store(*urls) as store:
        yield {"store": store}


app = Starlette(
    routes=[
        Route("/orders", place, methods=["POST"]),
        Route("/orders/{id:uuid}", show),
        Route("/health", health),
    ],
    lifespan=lifespan,
)
