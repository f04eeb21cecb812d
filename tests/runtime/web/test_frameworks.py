"""The middleware around the applications of frameworks, and behind a real server."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("structlog", reason="needs the extra `web`")

from fakes.asgi import Records, call
from infra_runtime import web
from infra_runtime.web.asgi import Application
from infra_runtime.web.middleware import ErrorHandler
from infra_runtime.web.problems import ProblemError

ROLES = {"clerk": ["orders:write"]}
SECRET = "the secret of the tests, with more than 32 bytes"
SETTINGS: dict[str, Any] = {"jwt_secret": SECRET, "session_seconds": 60, "max_body": 100}


class OutOfStockError(Exception):
    """An error of the application."""


def order(item: str) -> dict[str, str]:
    """Place an order: the same code for all frameworks."""
    actor = web.require("orders:write")
    if item == "tea":
        raise OutOfStockError("no tea left")
    if item == "bug":
        raise RuntimeError("a bug")
    web.session()["last"] = item
    return {"item": item, "actor": actor.id}


def starlette() -> Any:
    starlette = pytest.importorskip("starlette.applications", reason="needs Starlette")
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    async def place(request: Request) -> Response:
        return JSONResponse(order((await request.json())["item"]), status_code=201)

    return starlette.Starlette(routes=[Route("/orders", place, methods=["POST"])])


def fastapi() -> Any:
    fastapi = pytest.importorskip("fastapi", reason="needs FastAPI")
    app = fastapi.FastAPI()

    @app.post("/orders", status_code=201)
    def place(body: dict[str, str]) -> dict[str, str]:
        return order(body["item"])

    return app


def litestar() -> Any:
    litestar = pytest.importorskip("litestar", reason="needs Litestar")

    def raise_again(_request: object, error: Exception) -> Any:
        raise error

    async def place(request: Any) -> dict[str, str]:
        return order((await request.json())["item"])

    place.__annotations__["request"] = litestar.Request

    handlers = {ProblemError: raise_again, OutOfStockError: raise_again}
    return litestar.Litestar([litestar.post("/orders")(place)], exception_handlers=handlers)


frameworks = pytest.mark.parametrize("framework", [starlette, fastapi, litestar])


@pytest.fixture
def token() -> str:
    tokens = web.Tokens.from_settings(web.WebSettings(**SETTINGS))
    assert tokens
    return tokens.issue(web.Actor(id="ada", roles=frozenset({"clerk"}))).access


@pytest.fixture
def composed(records: Records, framework: Callable[[], Any]) -> Application:
    settings = web.WebSettings(**SETTINGS)
    return composed_with(framework(), settings)


def composed_with(app: Any, settings: web.WebSettings) -> Application:
    """Return an application whose log goes to the file of the fixture `records`."""
    from infra_runtime.web import composition

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(composition, "set_up_logging", lambda _: None)
        return web.application(app, settings, roles=ROLES, statuses={OutOfStockError: 409})


@frameworks
@pytest.mark.parametrize(
    ("item", "status", "media_type"),
    [
        ("coffee", 201, "application/json"),
        ("tea", 409, "application/problem+json"),
        ("bug", 500, None),
        ("x" * 200, 413, "application/problem+json"),
    ],
)
def test_an_application_of_a_framework_answers_through_the_middleware(
    composed: Application, token: str, item: str, status: int, media_type: str | None
) -> None:
    headers = [("authorization", f"Bearer {token}"), ("content-type", "application/json")]
    body = json.dumps({"item": item}).encode()

    response = call(composed, "/orders", method="POST", headers=headers, body=[body[:10], body[10:]])

    assert response.status == status
    assert media_type is None or response.headers["content-type"] == media_type
    assert response.headers["x-request-id"]
    assert b"a bug" not in response.body
    if status == 201:
        assert response.json == {"item": "coffee", "actor": "ada"}
        assert response.headers["set-cookie"].startswith("__Host-session=")


@frameworks
def test_a_request_without_a_token_is_a_problem(composed: Application) -> None:
    response = call(
        composed,
        "/orders",
        method="POST",
        headers=[("content-type", "application/json")],
        body=[b'{"item": "x"}'],
    )

    assert (response.status, response.headers["content-type"]) == (401, "application/problem+json")


# --- a real server ---------------------------------------------------------------------------------


@contextlib.contextmanager
def served(app: Application) -> Iterator[int]:
    """Run uvicorn in a thread, and yield its port."""
    uvicorn = pytest.importorskip("uvicorn", reason="needs uvicorn")
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(60)


@pytest.mark.process
def test_the_middleware_answers_and_logs_behind_uvicorn(records: Records, token: str) -> None:
    app = composed_with(starlette(), web.WebSettings(**SETTINGS, rate_limit=100))

    with served(app) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        answers = []
        for method, path, headers, body in (
            ("GET", "/health", {}, None),
            ("GET", "/x%0Aevent=forged", {"X-Correlation-ID": "a" * 500}, None),
            ("POST", "/orders", {"Authorization": f"Bearer {token}"}, b'{"item": "coffee"}'),
            ("POST", "/orders", {"Authorization": f"Bearer {token}"}, iter([b"x" * 60, b"x" * 60])),
            ("POST", "/orders", {"Content-Length": "1000000000"}, b""),
        ):
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            answers.append((response.status, response.read(), dict(response.getheaders())))
            connection.close()
        metrics = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        metrics.request("GET", "/metrics")
        exposition = metrics.getresponse().read()
        metrics.close()

    assert [status for status, _, _ in answers] == [200, 404, 201, 413, 413]
    assert all(headers["x-request-id"] for _, _, headers in answers)
    assert b'http_requests_total{method="POST",status="413"} 2.0' in exposition
    events = [record for record in records() if record["event"] == "request"]
    assert [event["path"] for event in events][:2] == ["/health", "/x\\nevent=forged"]
    assert {"HTTP_ERROR", "ERROR"}.isdisjoint(record["level"] for record in records())


def test_an_exception_of_a_started_stream_is_not_answered_twice() -> None:
    """Starlette streams the body, so the response has already started."""
    pytest.importorskip("starlette", reason="needs Starlette")
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import Route

    async def stream(_: Request) -> Response:
        async def parts() -> Any:
            yield b"first"
            raise OutOfStockError

        return StreamingResponse(parts())

    app = ErrorHandler(Starlette(routes=[Route("/", stream)]), statuses={OutOfStockError: 409})

    # Old releases of Starlette raise a group with the exception.
    with pytest.raises((OutOfStockError, ExceptionGroup)):
        call(app)
