"""The checks of every request before the application runs (host, origin, session), and the security headers.

Sources: RFC 9110, section 7.2, "Host"; Fetch Metadata Request Headers; Content Security Policy Level 3; Fetch
standard, "Origin header". A page on another port of the same host is same-site, so its requests contain the
cookie of the dashboard. Therefore, the cookie alone does not authorise a request that changes something.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Collection
from email.utils import formatdate
from http import HTTPStatus
from typing import TypeAlias

from infra_runtime.dashboard import KEY_HEADER, TOKEN_HEADER
from infra_runtime.dashboard.sessions import Role, Session, Sessions
from infra_runtime.web.asgi import Application, Receive, Scope, Send, adding_headers, header

#: the key of the session in the ASGI scope of a request
SESSION = "infra_runtime.dashboard.session"
_READING = frozenset({"GET", "HEAD"})
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    # With `no-referrer`, browsers would send `Origin: null` with the form of the login page.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
#: the header Cache-Control for static files, whose path changes with their content. Source: RFC 8246
_KEPT = "max-age=31536000, immutable"

#: a function that sends the response to a refused request, with a status and a reason
Refusal: TypeAlias = Callable[[Scope, Send, HTTPStatus, str], Awaitable[None]]


class Guard:
    """Middleware that refuses requests for other hosts, from other origins, or without a session.

    The paths in `public` and below `assets` need no session; their handlers check POST requests themselves.
    For other paths, every request except GET and HEAD needs the role `OPERATOR`, and the header with the
    token of the session. A request with the key of the service needs neither a session nor a token.
    """

    def __init__(
        self,
        app: Application,
        *,
        sessions: Sessions,
        key: str,
        hosts: Collection[str],
        cookie: str,
        public: Collection[str],
        assets: str,
        refuse: Refusal,
    ) -> None:
        self._app, self._sessions, self._key = app, sessions, key.encode()
        self._hosts, self._cookie, self._public, self._refuse = hosts, cookie, public, refuse
        self._assets = f"{assets}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application if the request is allowed."""
        if scope["type"] != "http":
            return
        headers = {**HEADERS, "date": formatdate(usegmt=True)}
        if scope["path"].startswith(self._assets):
            headers["cache-control"] = _KEPT
        send = adding_headers(send, headers)
        if problem := self._problem(scope):
            await self._refuse(scope, send, *problem)
        else:
            await self._app(scope, receive, send)

    def _problem(self, scope: Scope) -> tuple[HTTPStatus, str] | None:
        """Return the status and the reason of the refusal of a request; None if the request is allowed."""
        if header(scope, "host").lower() not in self._hosts:
            return HTTPStatus.FORBIDDEN, "the header Host is not an address of this dashboard"
        is_reading = scope["method"] in _READING
        if is_foreign(scope):
            return HTTPStatus.FORBIDDEN, "the request was sent by a page of another origin"
        if self._has_key(scope):
            scope[SESSION] = Session(id="", role=Role.ADMIN, header_token="")
            return None
        if not is_reading and not _names_its_origin(scope):
            return HTTPStatus.FORBIDDEN, "the request has no header with its origin"
        scope[SESSION] = session = self._sessions.find(cookie_of(scope, self._cookie))
        if scope["path"] in self._public or scope["path"].startswith(self._assets):
            return None
        if session is None:
            return HTTPStatus.UNAUTHORIZED, "log in first: `infra runtime open` opens a login link"
        return None if is_reading else _problem_of_change(scope, session)

    def _has_key(self, scope: Scope) -> bool:
        return hmac.compare_digest(header(scope, KEY_HEADER).encode(), self._key) and bool(self._key)


def _problem_of_change(scope: Scope, session: Session) -> tuple[HTTPStatus, str] | None:
    """Return status and reason of the refusal of a request except GET; None if the request is allowed."""
    if session.role < Role.OPERATOR:
        return HTTPStatus.FORBIDDEN, (
            "this session may not change anything; log in with a link for the role operator or admin"
        )
    if not hmac.compare_digest(header(scope, TOKEN_HEADER).encode(), session.header_token.encode()):
        return HTTPStatus.FORBIDDEN, f"the header {TOKEN_HEADER} does not contain the token of the session"
    return None


def session_of(scope: Scope) -> Session | None:
    """Return the session of a request; None if the path is public and the browser is not logged in."""
    session: Session | None = scope.get(SESSION)
    return session


def cookie_of(scope: Scope, name: str) -> str:
    """Return the value of a cookie; empty if it is missing or occurs more than once."""
    lines = [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == b"cookie"]
    pairs = [pair.strip().partition("=") for line in lines for pair in line.split(";")]
    values = [value for key, _, value in pairs if key == name]
    return values[0] if len(values) == 1 else ""


def is_foreign(scope: Scope) -> bool:
    """Return whether a page of another origin caused the browser to send the request.

    For a link from another origin to a page of the dashboard, the result is False, because the other origin
    cannot read the content of the page.
    """
    origins = [value for key, value in scope["headers"] if key.lower() == b"origin"]
    own_origin = f"http://{header(scope, 'host').lower()}".encode()
    if origins and origins != [own_origin]:
        return True
    site = header(scope, "sec-fetch-site")
    if site in {"", "same-origin", "none"}:
        return False
    return scope["method"] not in _READING or header(scope, "sec-fetch-mode") != "navigate"


def _names_its_origin(scope: Scope) -> bool:
    """Return whether the request has a header with its origin, which all current browsers send."""
    return bool(header(scope, "origin") or header(scope, "sec-fetch-site") == "same-origin")
