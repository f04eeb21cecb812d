"""Access control: actors, roles, permissions, and the middleware that authenticates requests.

An application calls `require("orders:write")` before an action for which the actor needs this permission.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextvars import ContextVar
from dataclasses import field, replace
from enum import Enum

import structlog

from infra_runtime.value import frozen
from infra_runtime.web.asgi import REQUESTS, Application, Receive, Scope, Send, header
from infra_runtime.web.problems import ProblemError

log = structlog.get_logger("infra.web")


class ActorKind(Enum):
    """The kind of an actor; an administrator has all permissions."""

    USER = "user"
    ADMIN = "admin"
    SERVICE = "service"


@frozen
class Actor:
    """The user, administrator or service account that sends a request."""

    id: str
    kind: ActorKind = ActorKind.USER
    roles: frozenset[str] = frozenset()
    permissions: frozenset[str] = field(default=frozenset(), compare=False)

    def may(self, permission: str) -> bool:
        """Return whether the actor has a permission."""
        return self.kind is ActorKind.ADMIN or permission in self.permissions


def granted(actor: Actor, roles: Mapping[str, Collection[str]]) -> Actor:
    """Return an actor with the permissions of its roles; `roles` maps each role to its permissions."""
    permissions = (permission for role in actor.roles for permission in roles.get(role, ()))
    return replace(actor, permissions=frozenset(permissions))


_actor: ContextVar[Actor | None] = ContextVar("infra_web_actor", default=None)


def current_actor() -> Actor | None:
    """Return the actor of the current request; None if the request has no token."""
    return _actor.get()


def require(permission: str) -> Actor:
    """Return the actor of the current request if the actor has the permission.

    Raises `ProblemError`: with the status 401 if the request has no actor, and with 403 if the actor does not
    have the permission.
    """
    actor = _actor.get()
    if actor is None:
        raise ProblemError(401, "this request needs a token", {"www-authenticate": "Bearer"})
    if not actor.may(permission):
        log.warning("permission_denied", actor=actor.id, permission=permission)
        raise ProblemError(403, f"this request needs the permission {permission}")
    return actor


class Authentication:
    """Sets the actor of a request from the token in `Authorization: Bearer …`.

    A request without this header has no actor. If the token is invalid, the response has the status 401, even
    for a path that needs no actor. `verify` returns the actor of a valid token, with the permissions of the
    actor, and raises `ProblemError` for any other token.
    """

    def __init__(self, app: Application, *, verify: Callable[[str], Awaitable[Actor]]) -> None:
        self.app, self._verify = app, verify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application with the actor in the context variable."""
        if scope["type"] not in REQUESTS:
            await self.app(scope, receive, send)
            return
        token = _actor.set(await self._authenticate(scope))
        try:
            await self.app(scope, receive, send)
        finally:
            _actor.reset(token)

    async def _authenticate(self, scope: Scope) -> Actor | None:
        if not any(name.lower() == b"authorization" for name, _ in scope["headers"]):
            return None
        scheme, _, credentials = header(scope, "authorization").partition(" ")
        if scheme.lower() != "bearer":
            detail = "the header Authorization must have exactly one value, `Bearer TOKEN`"
            raise ProblemError(401, detail, {"www-authenticate": "Bearer"})
        try:
            return await self._verify(credentials.strip())
        except ProblemError as error:
            log.warning("token_refused", reason=getattr(error, "reason", ""))
            raise
