"""An HTTP connection that stays open between requests; the module uses the standard library only."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Mapping


class KeptConnection:
    """An HTTP connection to one server; the first request opens the connection."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def send(
        self, method: str, path: str, body: str | None, headers: Mapping[str, str], *, idempotent: bool = True
    ) -> tuple[int, bytes]:
        """Send a request, and return the status and the body of the answer.

        If the request fails on a connection that was already open, an idempotent request is sent once more on
        a new connection, except after a timeout; otherwise, the error is raised. Raises `OSError` or
        `http.client.HTTPException` if the server does not send a valid answer.
        """
        was_open = self._connection.sock is not None
        try:
            return self._exchange(method, path, body, headers)
        except (http.client.HTTPException, OSError) as error:
            self.close()
            if not was_open or not idempotent or isinstance(error, TimeoutError):
                raise
        return self._exchange(method, path, body, headers)

    def _exchange(
        self, method: str, path: str, body: str | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        self._connection.request(method, path, body, dict(headers))
        response = self._connection.getresponse()
        return response.status, response.read()

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        with contextlib.suppress(OSError):
            self._connection.close()
