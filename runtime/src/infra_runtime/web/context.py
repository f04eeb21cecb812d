"""The context variables of a request: its ids and its trace. Each request has its own values."""

from __future__ import annotations

import re
import uuid
from contextvars import ContextVar

from infra_runtime.web.asgi import Scope

#: identifies one request; generated for each request
request_id: ContextVar[str] = ContextVar("infra_web_request_id", default="")
#: identifies all requests that one request of a client causes; the client may send it
correlation_id: ContextVar[str] = ContextVar("infra_web_correlation_id", default="")
#: the header `traceparent` for requests to other services. Source: W3C Trace Context
traceparent: ContextVar[str] = ContextVar("infra_web_traceparent", default="")

#: the key in the scope under which the middleware outside of `MetaInject` finds the ids
SCOPE_KEY = "infra_runtime.web.ids"

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def accepted_identifier(text: str) -> str:
    """Return an id that a client has sent, or an empty text if it is too long or has other characters.

    The ids are written to logs and to headers, so line breaks and control characters must not occur.
    """
    return text if _IDENTIFIER.fullmatch(text) else ""


def new_identifier() -> str:
    """Return a new random id of 32 hexadecimal digits."""
    return uuid.uuid4().hex


def ids() -> dict[str, str]:
    """Return the ids of the current request, without empty ones."""
    values = {"request_id": request_id.get(), "correlation_id": correlation_id.get()}
    return {name: value for name, value in values.items() if value}


def ids_of(scope: Scope) -> dict[str, str]:
    """Return the ids that `MetaInject` has stored in the scope of a request."""
    stored: dict[str, str] = scope.get(SCOPE_KEY, {})
    return stored


def outgoing_headers() -> dict[str, str]:
    """Return the headers for a request to another service: the correlation id and the trace."""
    values = {"x-correlation-id": correlation_id.get(), "traceparent": traceparent.get()}
    return {name: value for name, value in values.items() if value}
