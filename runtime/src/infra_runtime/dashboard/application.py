"""The ASGI application of the dashboard: its routes, and the guard in front of them."""

from __future__ import annotations

from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from infra_runtime.dashboard.api import Api
from infra_runtime.dashboard.context import Dashboard
from infra_runtime.dashboard.guard import Guard
from infra_runtime.dashboard.live_api import live_routes
from infra_runtime.dashboard.login import Login
from infra_runtime.dashboard.pages import Pages
from infra_runtime.dashboard.record_pages import RecordPages
from infra_runtime.dashboard.rendering import asset, assets
from infra_runtime.dashboard.session_pages import SessionPages
from infra_runtime.dashboard.telemetry import TelemetryError
from infra_runtime.dashboard.trace_pages import TracePages
from infra_runtime.dashboard.transfers import Transfers
from infra_runtime.errors import InfraError, SnapshotError
from infra_runtime.web.asgi import Application, Scope, Send
from infra_runtime.web.metrics import Measurement, Metrics
from infra_runtime.web.problems import ProblemError, send_problem

#: the paths whose requests need no session
PUBLIC = frozenset({"/login", "/health", "/ready"})


def application(dashboard: Dashboard) -> Application:
    """Return the ASGI application: the routes, behind the checks of `Guard`."""
    measurements = Metrics()
    api, login, pages = Api(dashboard, measurements), Login(dashboard), Pages(dashboard)

    async def refuse(scope: Scope, send: Send, status: HTTPStatus, reason: str) -> None:
        if is_for_programs(scope["path"]):
            await send_problem(scope, send, ProblemError(status, reason))
            return
        response = pages.error(status, reason)
        await response(scope, _nothing, send)

    async def failed(request: Request, error: Exception) -> Response:
        status, reason = _status_of(error)
        if is_for_programs(request.url.path):
            return api.problem(status, reason)
        return pages.error(status, reason)

    base_routes = [
        *api.routes(),
        *login.routes(),
        *pages.routes(),
        *Transfers(dashboard).routes(),
        *SessionPages(dashboard).routes(),
        *TracePages(dashboard).routes(),
        *RecordPages(dashboard).routes(),
    ]
    routes = [
        *live_routes(dashboard, base_routes),
        *base_routes,
        Mount(assets(), routes=[Route("/{name}", asset)]),
    ]
    starlette = Starlette(
        routes=routes,
        # ClientDisconnect: the client has closed the connection before the end of the body
        exception_handlers=dict.fromkeys(
            (HTTPException, InfraError, ValueError, OSError, ClientDisconnect), failed
        ),
    )
    guard = Guard(
        starlette,
        sessions=dashboard.sessions,
        key=dashboard.key,
        hosts=dashboard.hosts,
        cookie=dashboard.cookie,
        public=PUBLIC,
        assets=assets(),
        refuse=refuse,
    )
    return Measurement(guard, metrics=measurements)


def is_for_programs(path: str) -> bool:
    """Return whether the answer to a request for the path is data (such as JSON) instead of a page."""
    return path.startswith(("/api/", "/stream/")) or path in {"/health", "/ready", "/status", "/metrics"}


def _status_of(error: Exception) -> tuple[HTTPStatus, str]:
    if isinstance(error, HTTPException):
        return HTTPStatus(error.status_code), str(error.detail)
    if isinstance(error, ProblemError):
        return HTTPStatus(error.status), error.detail
    if isinstance(error, TelemetryError) and error.status:
        return HTTPStatus(error.status), str(error)
    if isinstance(error, SnapshotError):
        return HTTPStatus.CONFLICT, str(error)
    if isinstance(error, OSError):  # for example, a file was removed while the request read it
        return HTTPStatus.SERVICE_UNAVAILABLE, f"a file cannot be read: {error.strerror or error}; try again"
    if isinstance(error, InfraError):
        return HTTPStatus.SERVICE_UNAVAILABLE, str(error)
    return HTTPStatus.BAD_REQUEST, str(error)


async def _nothing() -> dict[str, object]:
    return {"type": "http.disconnect"}
