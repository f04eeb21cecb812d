from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("structlog", reason="needs the extra `web`")

from fakes.asgi import answering, call, connect, raising, request
from fakes.samples import every
from infra_runtime.web import context
from infra_runtime.web.asgi import Receive, Scope, Send
from infra_runtime.web.middleware import ErrorHandler, MetaInject, Recovery, Timeout
from infra_runtime.web.problems import ProblemError


class OutOfStockError(Exception):
    """An error of an application."""


# --- Recovery --------------------------------------------------------------------------------------


def test_an_unexpected_exception_is_answered_with_500_without_its_text() -> None:
    response = call(Recovery(MetaInject(raising(KeyError("password=hunter2")))))

    assert response.status == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json["title"] == "Internal Server Error"
    assert b"hunter2" not in response.body


def test_the_answer_to_an_unexpected_exception_has_the_request_id() -> None:
    response = call(Recovery(MetaInject(raising(KeyError()))))

    assert response.json["request_id"] == response.headers["x-request-id"] != ""


def test_an_exception_after_the_start_of_the_response_reaches_the_server() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise KeyError

    with pytest.raises(KeyError):
        call(Recovery(app))


def test_an_unexpected_exception_closes_a_websocket() -> None:
    (message,) = asyncio.run(connect(Recovery(raising(KeyError()))))

    assert (message["type"], message["code"]) == ("websocket.close", 1011)


# --- Timeout ---------------------------------------------------------------------------------------


async def hang(_scope: Scope, _receive: Receive, _send: Send) -> None:
    await asyncio.Event().wait()


def test_a_response_that_does_not_start_in_time_is_504() -> None:
    response = call(Timeout(hang, seconds=0))

    assert response.status == 504
    assert "0 s" in response.json["detail"]


def test_an_application_that_answers_its_cancellation_gets_504_too() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await hang(scope, receive, send)
        except asyncio.CancelledError:
            await answering(200)(scope, receive, send)

    assert call(Timeout(app, seconds=0)).status == 504


def test_a_response_that_has_started_has_no_time_limit() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(5):
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"late"})

    assert call(Timeout(app, seconds=0)).body == b"late"


def test_a_timeout_of_the_application_is_not_the_timeout_of_the_request() -> None:
    with pytest.raises(TimeoutError):
        call(Timeout(raising(TimeoutError()), seconds=60))


# --- MetaInject ------------------------------------------------------------------------------------


def sent_and_seen(*headers: tuple[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the headers of a response, and the ids in the context variables of its application."""
    seen: dict[str, str] = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.update(context.ids())
        await answering(headers=[("x-request-id", "of the application")])(scope, receive, send)

    response = call(MetaInject(app), headers=headers)
    assert [name for name, _ in response.fields].count("x-request-id") == 1
    return response.headers, seen


def test_the_application_and_the_client_get_the_same_ids() -> None:
    headers, seen = sent_and_seen(("X-Correlation-ID", "order-17.a_b"))

    assert seen == {"request_id": headers["x-request-id"], "correlation_id": "order-17.a_b"}
    assert headers["x-correlation-id"] == "order-17.a_b"


def test_each_request_has_its_own_id_and_leaves_none_behind() -> None:
    (first, _), (second, _) = sent_and_seen(), sent_and_seen()

    assert first["x-request-id"] != second["x-request-id"]
    assert context.ids() == {}


@every(
    [
        *("a" * 129, "a" * 100_000, "id\nlevel=error", "id\r\nset-cookie: x=1", "id\n", "\x1b[2J"),
        *("é", "", " ", "-x", "../x", "a b"),
    ]
)
def test_a_hostile_correlation_id_is_replaced(hostile: str) -> None:
    headers, seen = sent_and_seen(("X-Correlation-ID", hostile))

    assert headers["x-correlation-id"] == seen["correlation_id"] == headers["x-request-id"]


def test_two_correlation_ids_are_replaced() -> None:
    headers, _ = sent_and_seen(("X-Correlation-ID", "a"), ("X-Correlation-ID", "b"))

    assert headers["x-correlation-id"] == headers["x-request-id"]


# --- ErrorHandler ----------------------------------------------------------------------------------


def test_an_exception_in_the_table_is_answered_with_its_status_and_text() -> None:
    app = ErrorHandler(raising(OutOfStockError("no tea left")), statuses={OutOfStockError: 409})

    response = call(app)

    assert response.status == 409
    assert response.json == {
        "type": "about:blank", "title": "Conflict", "status": 409, "detail": "no tea left"
    }  # fmt: skip


def test_the_nearest_class_in_the_table_has_priority() -> None:
    class SoldOutError(OutOfStockError):
        """A more special error."""

    statuses = {Exception: 400, OutOfStockError: 409}

    assert call(ErrorHandler(raising(SoldOutError()), statuses=statuses)).status == 409


def test_the_text_of_a_failure_is_not_sent() -> None:
    response = call(ErrorHandler(raising(ConnectionRefusedError("db-7.internal"))))

    assert response.status == 503
    assert b"internal" not in response.body


def test_a_problem_has_its_headers() -> None:
    response = call(ErrorHandler(raising(ProblemError(429, "slow down", {"retry-after": "3"}))))

    assert (response.status, response.headers["retry-after"]) == (429, "3")


def test_another_exception_reaches_recovery() -> None:
    with pytest.raises(KeyError):
        call(ErrorHandler(raising(KeyError())))


def test_a_framework_that_answers_500_and_raises_does_not_hide_the_exception() -> None:
    """Starlette does this."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answering(500, b"Internal Server Error")(scope, receive, send)
        raise OutOfStockError

    assert call(ErrorHandler(app, statuses={OutOfStockError: 409})).status == 409


@pytest.mark.parametrize("parts", [[b"whole"], [b"first ", b"second"], []])
def test_a_500_of_the_application_is_sent_unchanged(parts: list[bytes]) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": [(b"x-a", b"b")]})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": part is not parts[-1]})

    response = call(ErrorHandler(app))

    assert (response.status, response.body) == (500, b"".join(parts))
    assert response.headers == {"x-a": "b"}


def test_a_problem_closes_a_websocket_as_a_policy_violation() -> None:
    (message,) = asyncio.run(connect(ErrorHandler(raising(ProblemError(403)))))

    assert (message["type"], message["code"]) == ("websocket.close", 1008)


@pytest.mark.parametrize("wrapped", [Recovery, MetaInject, ErrorHandler, lambda app: Timeout(app, seconds=1)])
def test_the_lifespan_reaches_the_application(wrapped: type[Recovery]) -> None:
    seen: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    asyncio.run(request(wrapped(app), type="lifespan"))

    assert seen == ["lifespan"]
