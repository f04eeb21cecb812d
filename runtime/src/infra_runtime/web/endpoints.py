"""The middleware for the paths `/health`, `/ready`, `/metrics` and `/debug/…`."""

from __future__ import annotations

import hmac
from typing import get_args
from urllib.parse import parse_qs

from infra_runtime.web import logs, profiling
from infra_runtime.web.asgi import (
    Application,
    Receive,
    Scope,
    Send,
    header,
    local_path,
    respond,
    respond_json,
)
from infra_runtime.web.health import Health
from infra_runtime.web.metrics import Metrics
from infra_runtime.web.problems import ProblemError

TEXT = "text/plain; charset=utf-8"
PATHS = frozenset({"/health", "/ready", "/metrics", "/debug/profile", "/debug/memory", "/debug/log-level"})


class Endpoints:
    """Answers `/health`, `/ready`, `/metrics` and `/debug/…`; passes other requests to the application.

    If a token is set, requests for `/metrics` and `/debug/…` need it in the header `Authorization: Bearer …`.
    If `production` is true, the paths of profiles do not exist, and the path of the log level exists only if
    a token is set.
    """

    def __init__(
        self, app: Application, *, health: Health, metrics: Metrics, token: str = "", production: bool = True
    ) -> None:
        self.app, self._health, self._metrics = app, health, metrics
        self._token, self._production = token, production

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or run the application."""
        if scope["type"] != "http" or not self._answers(local_path(scope)):
            await self.app(scope, receive, send)
            return
        path, method = local_path(scope), scope["method"]
        allowed_methods = ("GET", "HEAD", "PUT") if path == "/debug/log-level" else ("GET", "HEAD")
        if method not in allowed_methods:
            raise ProblemError(405, headers={"allow": ", ".join(allowed_methods)})
        if path == "/health":
            await respond_json(send, *self._health.live())
        elif path == "/ready":
            await respond_json(send, *await self._health.ready())
        else:
            self._require_token(scope)
            await self._protected(path, scope, send)

    def _answers(self, path: str) -> bool:
        """Return whether this middleware answers the path; if not, the application answers the request."""
        if path in {"/debug/profile", "/debug/memory"}:
            return not self._production
        if path == "/debug/log-level":
            return bool(self._token) or not self._production
        return path in PATHS

    def _require_token(self, scope: Scope) -> None:
        authorization = header(scope, "authorization")
        if self._token and not hmac.compare_digest(authorization.encode(), f"Bearer {self._token}".encode()):
            raise ProblemError(401, "this path needs the operations token", {"www-authenticate": "Bearer"})

    async def _protected(self, path: str, scope: Scope, send: Send) -> None:
        fields = parse_qs(scope["query_string"].decode("latin-1"))
        query = {name: values[-1] for name, values in fields.items()}
        if path == "/metrics":
            await respond(send, 200, *self._metrics.exposition())
        elif path == "/debug/log-level":
            if scope["method"] == "PUT":
                logs.set_level(_level(query.get("level", "")))
            await respond(send, 200, f"{logs.current_level()}\n".encode(), TEXT)
        else:
            record = profiling.cpu_profile if path == "/debug/profile" else profiling.memory_profile
            await respond(send, 200, (await record(_seconds(query.get("seconds", "5")))).encode(), TEXT)


def _level(text: str) -> logs.Level:
    for level in get_args(logs.Level):
        if text.lower() == level:
            return level  # type: ignore[no-any-return] # get_args has no types
    raise ProblemError(422, f"`level` must be one of: {', '.join(get_args(logs.Level))}")


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ProblemError(422, "`seconds` must be a number") from None
