"""HTTP requests that service kits send to create, remove and dump isolation units.

The requests ignore environment variables such as `HTTP_PROXY`, because the proxy in such a variable cannot
reach services on this machine.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.connection import PATIENCE, CommandError


class Response(NamedTuple):
    """The response to a request; the names of its headers are not case-sensitive."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


def send(
    url: str,
    method: str = "GET",
    *,
    body: bytes | str | None = None,
    headers: Mapping[str, str] | None = None,
    seconds: float = PATIENCE,
) -> Response:
    """Send a request and return the response; a response with any status is returned.

    Raises `OSError` if the connection fails, or if the server sends nothing for `seconds`.
    """
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    connection = http.client.HTTPConnection(parts.netloc, timeout=seconds)
    try:
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        return Response(response.status, response.headers, response.read())
    except http.client.HTTPException as error:
        raise ConnectionError(f"{method} {url}: {error!r}") from error
    finally:
        connection.close()


def request(
    server: Endpoint,
    url: str,
    *,
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
    seconds: float = PATIENCE,
) -> bytes:
    """Send a request to a URL of a server, and return the body of the response.

    The method is POST if the request has a body, otherwise GET. Raises `CommandError` if the status is not
    200, and `OSError` as `send` does.
    """
    method = "GET" if body is None else "POST"
    response = send(url, method, body=body, headers=headers, seconds=seconds)
    if response.status != http.client.OK:
        target = urlsplit(url).path
        raise CommandError(f"{server.name} answers {response.status} to {target}: {response.body[:500]!r}")
    return response.body
