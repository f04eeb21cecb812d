"""The streams of the JSON API, which send the answer to a GET request again when the answer has changed."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infra_runtime.dashboard.context import Dashboard
from infra_runtime.dashboard.streams import value_stream
from infra_runtime.dashboard.usage_history import INTERVAL

PREFIX = "/api/v1/"
#: path below `PREFIX` → the seconds until the answer is computed again and compared; 0: after each change of
#: the stack, and every two seconds
LIVE = {
    "services/{name}": 0.0,
    "services/{name}/history": 0.0,
    "start": 0.0,
    "traces": 0.0,
    "records": 0.0,
    "alerts": 0.0,
    "metrics": INTERVAL,
    "apis": 30.0,
    "tests": 0.0,
    "tests/sessions": 0.0,
    "tests/sessions/{session}": 0.0,
    "snapshots": 0.0,
}
Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


def live_routes(dashboard: Dashboard, routes: Iterable[Route]) -> list[Route]:
    """Return the route of a stream for each path in `LIVE`; `routes` are the routes of the GET requests."""
    handlers = {
        route.path: route.endpoint for route in routes if route.methods is not None and "GET" in route.methods
    }
    return [
        Route(f"{PREFIX}streams/{path}", _streaming(dashboard, handlers[f"{PREFIX}{path}"], every))
        for path, every in LIVE.items()
    ]


def _streaming(dashboard: Dashboard, handler: Handler, every: float) -> Handler:
    async def stream(request: Request) -> Response:
        async def value() -> Any:
            return json.loads(bytes((await handler(request)).body))

        # If a parameter is not valid or a name is unknown, the response is a `Problem` instead of a stream.
        return value_stream(dashboard, value, initial_value=await value(), every=every)

    return stream
