"""Send requests to the HTTP API of RabbitMQ's management plugin, with the standard library only.

Source: RabbitMQ Management HTTP API, the page `/api/index.html` of the server.
"""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any, Self
from urllib.parse import quote

from infra_runtime.errors import InfraError
from infra_runtime.kept_connection import KeptConnection

#: the time limit for one request, in seconds
PATIENCE = 30.0


class ManagementError(InfraError):
    """The error that the server refused a request to its HTTP API."""


class Management:
    """A connection to the HTTP API, which stays open between requests."""

    def __init__(self, host: str, port: int, user: str, password: str) -> None:
        self._connection = KeptConnection(http.client.HTTPConnection(host, port, timeout=PATIENCE))
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}

    def definitions(self, vhost: str) -> dict[str, Any]:
        """Return the definitions of a virtual host: its exchanges, queues, bindings and policies."""
        answer: dict[str, Any] = self._request("GET", f"/api/definitions/{_quoted(vhost)}")
        return answer

    def apply(self, definitions: dict[str, Any]) -> None:
        """Create the exchanges, queues and bindings in `definitions` that the server does not have."""
        self._request("POST", "/api/definitions", definitions)

    def clear(self, vhost: str) -> None:
        """Delete a virtual host's queues and exchanges, except exclusive queues and the exchanges `amq.…`."""
        definitions = self.definitions(vhost)
        for kind in ("queues", "exchanges"):
            for entry in definitions[kind]:
                self._request(
                    "DELETE", f"/api/{kind}/{_quoted(vhost)}/{_quoted(entry['name'])}", missing=True
                )

    def vhosts(self) -> dict[str, dict[str, Any]]:
        """Return the virtual hosts as a mapping from name to description."""
        return {vhost["name"]: vhost for vhost in self._request("GET", "/api/vhosts")}

    def set_tags(self, vhost: str, tags: str) -> None:
        """Set the tags of a virtual host; `tags` contains the tags with commas between them."""
        self._request("PUT", f"/api/vhosts/{_quoted(vhost)}", {"tags": tags})

    def delete_vhost(self, vhost: str) -> None:
        """Delete a virtual host with its queues and connections; a missing virtual host is not an error."""
        self._request("DELETE", f"/api/vhosts/{_quoted(vhost)}", missing=True)

    def delete_user(self, user: str) -> None:
        """Delete a user; a missing user is not an error."""
        self._request("DELETE", f"/api/users/{_quoted(user)}", missing=True)

    def queues(self, vhost: str) -> list[dict[str, Any]]:
        """Return the queues of a virtual host."""
        queues: list[dict[str, Any]] = self._request(
            "GET", f"/api/queues/{_quoted(vhost)}?disable_stats=true"
        )
        return queues

    def messages(self, vhost: str, queue: str, count: int, *, longest: int) -> list[dict[str, Any]]:
        """Return the first messages of a queue; the messages stay in the queue.

        Each payload is shortened to at most `longest` bytes.
        """
        request = {
            "count": count,
            "ackmode": "ack_requeue_true",
            "encoding": "auto",
            "truncate": longest,
        }
        path = f"/api/queues/{_quoted(vhost)}/{_quoted(queue)}/get"
        messages: list[dict[str, Any]] = self._request("POST", path, request)
        return messages

    def _request(self, method: str, path: str, body: Any = None, *, missing: bool = False) -> Any:
        """Send a request, and return the decoded answer. All requests of this class are idempotent."""
        content = None if body is None else json.dumps(body)
        status, answer = self._connection.send(method, path, content, self._headers)
        if status == 404 and missing:
            return None
        if status >= 300:
            reason = answer.decode("utf-8", "replace").strip()
            raise ManagementError(f"{method} {path}: the server answered with status {status}: {reason}")
        return json.loads(answer) if answer else None

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _quoted(name: str) -> str:
    return quote(name, safe="")
