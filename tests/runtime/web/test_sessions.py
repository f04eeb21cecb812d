from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from fakes.asgi import Response, answering, call, connect
from fakes.clock import Clock
from infra_runtime.web.asgi import Receive, Scope, Send
from infra_runtime.web.sessions import Session, Sessions, session
from infra_runtime.web.storage import MemoryStorage


class Browser:
    """A client that keeps the cookie of an application."""

    def __init__(self, *, secure: bool = True) -> None:
        self.clock = Clock()
        self.storage = MemoryStorage(clock=self.clock)
        self.secure, self.cookie = secure, ""

    def visit(self, action: Callable[[Session], object], cookie: str | None = None) -> Response:
        """Send a request that does something with the session."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            action(session())
            await answering(body=repr(dict(session())).encode())(scope, receive, send)

        sent = self.cookie if cookie is None else cookie
        wrapped = Sessions(app, storage=self.storage, seconds=60, secure=self.secure)
        response = call(wrapped, headers=[("cookie", sent)] if sent else ())
        if "set-cookie" in response.headers:
            self.cookie = response.headers["set-cookie"].partition(";")[0]
        return response


def nothing(_: Session) -> None:
    """Read the session only."""


def test_a_value_is_found_in_the_next_request() -> None:
    browser = Browser()

    browser.visit(lambda values: values.update(user="ada"))

    assert browser.visit(nothing).body == b"{'user': 'ada'}"


def test_the_cookie_is_protected() -> None:
    response = Browser().visit(lambda values: values.update(user="ada"))

    name, _, attributes = response.headers["set-cookie"].partition("=")
    assert name == "__Host-session"
    assert attributes.split("; ")[1:] == ["Max-Age=60", "Path=/", "HttpOnly", "SameSite=Lax", "Secure"]


def test_without_https_the_cookie_has_another_name() -> None:
    response = Browser(secure=False).visit(lambda values: values.update(user="ada"))

    assert response.headers["set-cookie"].startswith("session=")
    assert "Secure" not in response.headers["set-cookie"]


def test_a_session_without_data_has_no_cookie() -> None:
    assert "set-cookie" not in Browser().visit(nothing).headers


def test_a_session_expires_after_its_last_use() -> None:
    browser = Browser()
    browser.visit(lambda values: values.update(user="ada"))

    browser.clock.now = 50
    assert browser.visit(nothing).body == b"{'user': 'ada'}"
    browser.clock.now = 100
    assert browser.visit(nothing).body == b"{'user': 'ada'}"
    browser.clock.now = 161
    assert browser.visit(nothing).body == b"{}"


def test_a_cleared_session_is_deleted_on_the_server() -> None:
    browser = Browser()
    browser.visit(lambda values: values.update(user="ada"))
    stolen = browser.cookie

    response = browser.visit(lambda values: values.clear())

    assert "Max-Age=0" in response.headers["set-cookie"]
    assert browser.visit(nothing, stolen).body == b"{}"


def test_a_renewed_session_keeps_its_data_and_its_old_id_is_useless() -> None:
    browser = Browser()
    browser.visit(lambda values: values.update(cart=1))
    old = browser.cookie

    browser.visit(lambda values: values.renew())

    assert browser.cookie != old
    assert browser.visit(nothing).body == b"{'cart': 1}"
    assert browser.visit(nothing, old).body == b"{}"


@pytest.mark.parametrize(
    "identifier", ["a" * 43, "", "x", "a" * 100_000, "a" * 42 + "\n", "../../etc/passwd"]
)
def test_an_id_that_the_server_has_not_created_is_not_accepted(identifier: str) -> None:
    browser = Browser()

    browser.visit(lambda values: values.update(user="ada"), f"__Host-session={identifier}")

    assert browser.cookie != f"__Host-session={identifier}"
    assert browser.visit(nothing).body == b"{'user': 'ada'}"


def test_two_cookies_of_the_same_name_are_not_accepted() -> None:
    browser = Browser()
    browser.visit(lambda values: values.update(user="ada"))

    assert browser.visit(nothing, f"{browser.cookie}; {browser.cookie}").body == b"{}"


def test_a_request_that_runs_while_the_session_is_deleted_does_not_restore_it() -> None:
    browser = Browser()
    browser.visit(lambda values: values.update(user="ada"))
    cookie = browser.cookie

    def logged_out_meanwhile(values: Session) -> None:
        values["visits"] = 1
        browser.storage._values.clear()

    browser.visit(logged_out_meanwhile)

    assert browser.visit(nothing, cookie).body == b"{}"


def test_the_storage_does_not_contain_the_id() -> None:
    browser = Browser()
    browser.visit(lambda values: values.update(user="ada"))

    identifier = browser.cookie.partition("=")[2]
    assert identifier
    assert all(identifier not in key for key in browser.storage._values)


def test_a_websocket_has_the_session_of_its_browser() -> None:
    browser = Browser()
    browser.visit(lambda values: values.update(user="ada"))
    seen: list[object] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        seen.append(session()["user"])
        await send({"type": "websocket.accept"})

    asyncio.run(connect(Sessions(app, storage=browser.storage), headers=[("cookie", browser.cookie)]))

    assert seen == ["ada"]
