"""Requests to the query API of the telemetry service."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.telemetry import KEY_HEADER, LONGEST_WAIT
from pytest_infra.isolation.http_request import request

#: seconds for an answer; the process of the service starts at the first connection
ANSWER = 30.0


def ask(server: Endpoint, resource: str, wait: float = 0.0, /, **parameters: object) -> dict[str, Any]:
    """Send a query to the telemetry service, and return the answer; `resource` is a path such as `spans`.

    The service waits up to `wait` seconds, but not longer than `LONGEST_WAIT`, for the first row. Raises
    `CommandError` for a refused request, and `OSError` if the service is stopped.
    """
    wait = max(0.0, min(wait, LONGEST_WAIT))
    query = {key: str(value) for key, value in parameters.items() if value not in {None, ""}}
    url = f"{server['query_url']}/api/v1/{resource}?{urlencode({**query, 'wait': f'{wait:.3f}'})}"
    body = request(server, url, headers={KEY_HEADER: server["key"]}, seconds=ANSWER + wait)
    answer: dict[str, Any] = json.loads(body)
    return answer
