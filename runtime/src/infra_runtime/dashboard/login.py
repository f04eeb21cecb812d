"""Login and logout. The token of a login link is in the fragment, which browsers do not send to servers."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from infra_runtime.dashboard import LOGIN_LINKS
from infra_runtime.dashboard.context import Dashboard
from infra_runtime.dashboard.guard import session_of
from infra_runtime.dashboard.rendering import compile_templates, template_of
from infra_runtime.dashboard.sessions import TOKEN_SECONDS, Role, TooManyAttemptsError
from infra_runtime.web.problems import ProblemError

#: the largest size of a login form in bytes
_FORM = 4096


class Login:
    """The handlers for requests that create login links, log in, or log out."""

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard
        self._template = template_of("login.html")

    def routes(self) -> list[Route]:
        """Return the routes for logins and login links, each with its handler."""
        return [
            Route("/login", self._page, methods=["GET"]),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/logout", self._log_out, methods=["POST"]),
            Route(LOGIN_LINKS, self._link, methods=["POST"]),
        ]

    async def _link(self, request: Request) -> Response:
        session = session_of(request.scope)
        if session is None or session.role < Role.ADMIN:
            raise ProblemError(
                HTTPStatus.FORBIDDEN, "only a session with the role admin can create login links"
            )
        name = request.query_params.get("role", "admin").upper()
        if name not in Role.__members__:
            roles = ", ".join(role.name.lower() for role in Role)
            raise ProblemError(
                HTTPStatus.BAD_REQUEST, f"the role must be one of {roles}, not {name.lower()[:80]!r}"
            )
        token = self._dashboard.sessions.issue(Role[name])
        await self._dashboard.audit.record("login-link", actor=session.actor, role=name.lower())
        url = f"{self._dashboard.url}/login#{token}"
        return JSONResponse({"url": url, "role": name.lower(), "seconds": TOKEN_SECONDS}, HTTPStatus.CREATED)

    async def _page(self, request: Request) -> Response:
        compile_templates()  # while the browser logs in
        return self._shown(HTTPStatus.OK, "", request.query_params.get("next", ""))

    async def _log_in(self, request: Request) -> Response:
        body = await _body(request)
        token = parse_qs(body).get("token", [""])[0]
        target = own_path(request.query_params.get("next", ""))
        try:
            cookie = self._dashboard.sessions.log_in(token)
        except TooManyAttemptsError:
            return self._shown(
                HTTPStatus.TOO_MANY_REQUESTS, "Too many logins have failed. Try again in a minute.", target
            )
        if cookie is None:
            await self._dashboard.audit.record("login-failed")
            problem = "This link was already used, or it has expired."
            return self._shown(HTTPStatus.FORBIDDEN, problem, target)
        session = self._dashboard.sessions.find(cookie)
        if session is not None:
            await self._dashboard.audit.record("login", actor=session.actor, role=session.role.name.lower())
        response = RedirectResponse(target, HTTPStatus.SEE_OTHER)
        response.set_cookie(self._dashboard.cookie, cookie, httponly=True, samesite="strict", path="/")
        return response

    async def _log_out(self, request: Request) -> Response:
        session = session_of(request.scope)
        if session is not None:
            self._dashboard.sessions.end(session)
            await self._dashboard.audit.record("logout", actor=session.actor)
        response = Response(status_code=HTTPStatus.NO_CONTENT)
        response.delete_cookie(self._dashboard.cookie, httponly=True, samesite="strict", path="/")
        return response

    def _shown(self, status: HTTPStatus, problem: str, target: str) -> Response:
        text = self._template.render(problem=problem, target=own_path(target), name=self._dashboard.name)
        return Response(text, status, media_type="text/html")


def own_path(address: str) -> str:
    """Return the address if it is a path of the dashboard except `/login…`, and otherwise `/`.

    Browsers treat a backslash as a slash, and `//NAME` as a URL with another host.
    """
    is_path = address.startswith("/") and not address.startswith(("//", "/login"))
    if not is_path or "\\" in address or any(ord(character) <= 32 for character in address):
        return "/"
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    return "/" if parts.scheme or parts.netloc else address


async def _body(request: Request) -> str:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM:
            raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the form has more than {_FORM} bytes")
    return body.decode("ascii", errors="replace")
