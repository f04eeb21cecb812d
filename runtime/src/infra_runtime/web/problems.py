"""Problem documents for errors, and the table that maps the class of an exception to the HTTP status.

Source: RFC 9457, Problem Details for HTTP APIs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from infra_runtime.errors import InfraError
from infra_runtime.web.asgi import Scope, Send, respond
from infra_runtime.web.context import ids_of

MEDIA_TYPE = "application/problem+json"
#: class of an exception → status. An entry also applies to derived classes; if several entries apply, the
#: most derived class has priority. The text of an exception becomes the `detail` of the document only if the
#: status is below 500.
DEFAULT_STATUSES: Mapping[type[Exception], int] = {ConnectionError: 503, TimeoutError: 503}
#: the close codes of WebSockets. Source: RFC 6455, section 7.4.1
POLICY_VIOLATION, INTERNAL_ERROR = 1008, 1011


class ProblemError(InfraError):
    """An error whose response has this status, detail and headers.

    The detail is sent to the client, so it must not contain a secret or an internal name.
    """

    def __init__(self, status: int, detail: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})

    def __str__(self) -> str:
        return f"{self.status} {title(self.status)}" + (f": {self.detail}" if self.detail else "")


def title(status: int) -> str:
    """Return the name of an HTTP status; `Error` for an unknown status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def problem_of(error: Exception, statuses: Mapping[type[Exception], int]) -> ProblemError | None:
    """Return the problem for an exception; None if the table contains neither its class nor a base class."""
    if isinstance(error, ProblemError):
        return error
    for kind in type(error).__mro__:
        if status := statuses.get(kind):
            return ProblemError(status, str(error) if status < 500 else "")
    return None


async def send_problem(scope: Scope, send: Send, problem: ProblemError) -> None:
    """Send the problem document of an HTTP request, or close a WebSocket."""
    if scope["type"] == "websocket":
        code = INTERNAL_ERROR if problem.status >= 500 else POLICY_VIOLATION
        await send({"type": "websocket.close", "code": code, "reason": title(problem.status)})
        return
    ids = ids_of(scope)
    document: dict[str, object] = {
        "type": "about:blank",
        "title": title(problem.status),
        "status": problem.status,
        **({"detail": problem.detail} if problem.detail else {}),
        **ids,
    }
    headers = {f"x-{name.replace('_', '-')}": value for name, value in ids.items()} | problem.headers
    await respond(send, problem.status, json.dumps(document).encode(), MEDIA_TYPE, headers.items())
