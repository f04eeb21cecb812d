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

#: seconds for an answer; the process of the telemetry may start at the request
PATIENCE = 30.0


class TelemetryError(InfraError):
    """The error that the telemetry service does not answer, or refuses a request."""

    def __init__(self, problem: str, status: int = 0, *, is_missing: bool = False) -> None:
        super().__init__(problem, status)
        #: the status of the answer; 0 without an answer
        self.problem, self.status, self.is_missing = problem, status, is_missing

    def __str__(self) -> str:
        return self.problem


async def ask(endpoints: Endpoints, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the answer of the telemetry service to a query.

    Raises `TelemetryError` if the stack has no telemetry service, or if it does not answer.
    """
    endpoint = next(
        (
            endpoint.exports
            for endpoint in endpoints.services.values()
            if {"query_url", "key"} <= endpoint.exports.keys()
        ),
        None,
    )
    if endpoint is None:
        raise TelemetryError("the stack has no telemetry service", is_missing=True)
    return await asyncio.to_thread(_ask, endpoint["query_url"], endpoint["key"], path, parameters)


async def runs(endpoints: Endpoints) -> list[str]:
    """Return the names of the stored runs, the newest first; none if the service does not name them."""
    with contextlib.suppress(TelemetryError):
        state = await ask(endpoints, "state", {})
        return [str(name) for name in reversed(state.get("runs", []))]
    return []


def _ask(url: str, key: str, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)
    try:
        connection.request("GET", f"/api/v1/{path}?{urlencode(parameters)}", headers={KEY_HEADER: key})
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise TelemetryError(f"the telemetry service does not answer: {error}") from error
    finally:
        connection.close()
    if response.status != HTTPStatus.OK:
        raise TelemetryError(str(answer.get("error", "the request was refused")), response.status)
    return answer
