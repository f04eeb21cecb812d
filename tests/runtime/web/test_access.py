from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("structlog", reason="needs the extra `web`")

from fakes.asgi import Records, Response, answering, call, connect
from infra_runtime.web.access import Actor, ActorKind, Authentication, current_actor, granted, require
from infra_runtime.web.asgi import Receive, Scope, Send
from infra_runtime.web.middleware import ErrorHandler
from infra_runtime.web.problems import ProblemError

ROLES = {"clerk": ["orders:write", "orders:read"], "reader": ["orders:read"]}
ACTORS = {
    "clerk": Actor(id="ada", roles=frozenset({"clerk"})),
    "reader": Actor(id="bob", roles=frozenset({"reader", "unknown"})),
    "service": Actor(id="billing", kind=ActorKind.SERVICE),
    "admin": Actor(id="eve", kind=ActorKind.ADMIN),
}


async def verify(token: str) -> Actor:
    """Accept the names of the actors as tokens."""
    if token not in ACTORS:
        raise ProblemError(401, "the token is invalid")
    return granted(ACTORS[token], ROLES)


async def write(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the id of the actor if the actor may write orders."""
    actor = require("orders:write")
    await answering(body=actor.id.encode())(scope, receive, send)


async def public(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the id of the actor, if the request has one."""
    actor = current_actor()
    await answering(body=(actor.id if actor else "-").encode())(scope, receive, send)


def send_to(app: object, *authorization: str) -> Response:
    guarded = ErrorHandler(Authentication(app, verify=verify))  # type: ignore[arg-type] # an application
    return call(guarded, headers=[("authorization", value) for value in authorization])


@pytest.mark.parametrize(
    ("token", "status"), [("clerk", 200), ("admin", 200), ("reader", 403), ("service", 403)]
)
def test_a_permission_belongs_to_roles_and_to_administrators(token: str, status: int) -> None:
    assert send_to(write, f"Bearer {token}").status == status


def test_a_request_without_a_token_is_401_where_a_permission_is_needed() -> None:
    response = send_to(write)

    assert (response.status, response.headers["www-authenticate"]) == (401, "Bearer")


def test_a_request_without_a_token_reaches_the_application() -> None:
    assert send_to(public).body == b"-"


@pytest.mark.parametrize(
    "values",
    [("Bearer wrong",), ("Bearer",), ("Basic clerk",), ("",), ("clerk",), ("Bearer clerk", "Bearer clerk")],
)
def test_an_invalid_token_is_401_everywhere(values: tuple[str, ...]) -> None:
    assert send_to(public, *values).status == 401


def test_the_scheme_is_case_insensitive() -> None:
    assert send_to(public, "bearer clerk").body == b"ada"


def test_the_actor_ends_with_the_request() -> None:
    send_to(write, "Bearer clerk")

    assert current_actor() is None


def test_a_websocket_with_an_invalid_token_is_closed() -> None:
    app = ErrorHandler(Authentication(public, verify=verify))

    (message,) = asyncio.run(connect(app, headers=[("authorization", "Bearer wrong")]))

    assert (message["type"], message["code"]) == ("websocket.close", 1008)


def test_refusals_are_logged(records: Records) -> None:
    send_to(write, "Bearer reader")
    send_to(write, "Bearer wrong")

    assert [record["event"] for record in records()] == ["permission_denied", "token_refused"]
