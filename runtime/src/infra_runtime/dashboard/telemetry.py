"""Requests to the query API of the stack's telemetry service."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

from infra_runtime.errors import InfraError
from infra_runtime.messages import Endpoints
from infra_runtime.telemetry import KEY_HEADER

#: the time limit in seconds for an answer; the request can start the process of the telemetry service
PATIENCE = 30.0


class TelemetryError(InfraError):
    """The telemetry service is missing, does not answer, or refuses a request."""

    def __init__(self, problem: str, status: int = 0, *, is_missing: bool = False) -> None:
        super().__init__(problem, status)
        #: the HTTP status of the answer; 0 without an answer
        self.problem, self.status, self.is_missing = problem, status, is_missing

    def __str__(self) -> str:
        return self.problem


async def ask(endpoints: Endpoints, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the answer of the telemetry service to a query.

    Raises `TelemetryError` if the stack has no telemetry service, or if the service does not answer or
    refuses the query.
    """
    exports = _exports(endpoints)
    return await asyncio.to_thread(_ask, exports["query_url"], exports["key"], path, parameters)


async def send_traces(endpoints: Endpoints, content: bytes) -> int:
    """Send traces in OTLP JSON to the telemetry service; return the number of rejected spans.

    Raises `TelemetryError` if the stack has no telemetry service, or if the service does not answer or
    refuses the traces.
    """
    exports = _exports(endpoints)
    answer = await asyncio.to_thread(_send, exports["url"], exports["key"], content)
    return int(answer.get("partialSuccess", {}).get("rejectedSpans", 0))


def service_of(endpoints: Endpoints) -> str | None:
    """Return the name of the telemetry service; None if the stack has no telemetry service."""
    for name, endpoint in endpoints.services.items():
        if {"query_url", "key"} <= endpoint.exports.keys():
            return name
    return None


def _exports(endpoints: Endpoints) -> Mapping[str, str]:
    name = service_of(endpoints)
    if name is None:
        raise TelemetryError("the stack has no telemetry service", is_missing=True)
    return endpoints.services[name].exports


async def runs(endpoints: Endpoints) -> list[str]:
    """Return the names of the stored runs, the newest first; empty if the service does not return them."""
    with contextlib.suppress(TelemetryError):
        state = await ask(endpoints, "state", {})
        return [str(name) for name in reversed(state.get("runs", []))]
    return []


def _ask(url: str, key: str, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    return _answer(url, "GET", f"/api/v1/{path}?{urlencode(parameters)}", {KEY_HEADER: key})


def _send(url: str, key: str, content: bytes) -> dict[str, Any]:
    headers = {KEY_HEADER: key, "content-type": "application/json"}
    return _answer(url, "POST", "/v1/traces", headers, content)


def _answer(
    url: str, method: str, path: str, headers: Mapping[str, str], content: bytes = b""
) -> dict[str, Any]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)
    try:
        connection.request(method, path, content or None, {**headers})
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise TelemetryError(f"the telemetry service does not answer: {error}") from error
    finally:
        connection.close()
    if response.status != HTTPStatus.OK:
        reason = answer.get("error") or answer.get("message") or "the request was refused"
        raise TelemetryError(str(reason), response.status)
    return answer
