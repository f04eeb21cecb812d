"""The context variables of a request: its ids and its trace. Each request has its own values."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from infra_runtime.web.asgi import Scope

#: the id of one request; it is generated for each request
request_id: ContextVar[str] = ContextVar("infra_web_request_id", default="")
#: the id of all requests that one request of a client causes; the client can send it
correlation_id: ContextVar[str] = ContextVar("infra_web_correlation_id", default="")
#: the header `traceparent` for requests to other services. Source: W3C Trace Context
traceparent: ContextVar[str] = ContextVar("infra_web_traceparent", default="")

#: the key of the ids in the scope, for the middleware outside of `MetaInject`
SCOPE_KEY = "infra_runtime.web.ids"

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
#: the version `ff` and ids that consist of zeros are invalid. Source: W3C Trace Context, section 3.2
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<span>[0-9a-f]{16})-[0-9a-f]{2}"
)


def accepted_identifier(text: str) -> str:
    """Return an id that a client has sent; empty if the id is not valid.

    An id has at most 128 letters, digits, dots, hyphens and underscores, and begins with a letter or a digit.
    Ids are written to logs and to headers, so line breaks and control characters must not occur.
    """
    return text if _IDENTIFIER.fullmatch(text) else ""


def accepted_traceparent(text: str) -> str:
    """Return the header `traceparent` of a client; empty if the header is not valid."""
    return text if _TRACEPARENT.fullmatch(text) else ""


def new_identifier() -> str:
    """Return a new random id of 32 hexadecimal digits."""
    return uuid.uuid4().hex


def ids() -> dict[str, str]:
    """Return the ids of the current request; empty ids are left out."""
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


@contextmanager
def continued(headers: Mapping[str, str]) -> Iterator[None]:
    """Run a block, such as a job or a gRPC call, with the correlation id and the trace of a message.

    `headers` are the headers of the message, as `outgoing_headers` returns them; the names can be in upper or
    lower case. If the headers contain no valid correlation id, a new one is generated.
    """
    lower_headers = {name.lower(): value for name, value in headers.items()}
    correlation = accepted_identifier(lower_headers.get("x-correlation-id", "")) or new_identifier()
    tokens = (
        correlation_id.set(correlation),
        traceparent.set(accepted_traceparent(lower_headers.get("traceparent", ""))),
    )
    try:
        yield
    finally:
        correlation_id.reset(tokens[0])
        traceparent.reset(tokens[1])
