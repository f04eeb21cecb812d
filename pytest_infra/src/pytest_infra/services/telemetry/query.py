"""Requests to the query API of the telemetry service."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlencode

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.telemetry import KEY_HEADER, LONGEST_WAIT
from pytest_infra.isolation.connection import PATIENCE, CommandError


def ask(server: Endpoint, part: str, wait: float = 0.0, /, **parameters: object) -> dict[str, Any]:
    """Return the answer of a part of the query API, such as `spans`.

    The service waits up to `wait` seconds for the first row. Raises `CommandError` for a refused request, and
    `OSError` if the service is stopped.
    """
    wait = max(0.0, min(wait, LONGEST_WAIT))
    given = {key: str(value) for key, value in parameters.items() if value not in {None, ""}}
    target = f"/api/v1/{part}?{urlencode({**given, 'wait': f'{wait:.3f}'})}"
    connection = http.client.HTTPConnection(server.host, int(server["query_port"]), timeout=PATIENCE + wait)
    try:
        connection.request("GET", target, headers={KEY_HEADER: server["key"]})
        response = connection.getresponse()
        body = response.read()
    except http.client.HTTPException as error:
        raise CommandError(f"{server.name} does not answer {target}: {error!r}") from error
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise CommandError(f"{server.name} answers {response.status} to {target}: {body[:500]!r}")
    answer: dict[str, Any] = json.loads(body)
    return answer
