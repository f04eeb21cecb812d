"""Requests over HTTP with which service kits create, remove and dump units."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from urllib.parse import urlsplit

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.connection import PATIENCE, CommandError


def request(
    server: Endpoint,
    url: str,
    *,
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
    seconds: float = PATIENCE,
) -> bytes:
    """Send a request to an address of a server, and return the body of the response.

    The method is POST if the request has a body, otherwise GET. Raises `CommandError` for another status than
    200, and `OSError` if the server does not answer within so many seconds.
    """
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    connection = http.client.HTTPConnection(parts.netloc, timeout=seconds)
    try:
        connection.request("GET" if body is None else "POST", target, body, headers or {})
        response = connection.getresponse()
        content = response.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"{server.name} does not answer {target}: {error!r}") from error
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise CommandError(f"{server.name} answers {response.status} to {target}: {content[:500]!r}")
    return content
