"""Send requests to the API server of a Kubernetes cluster on this machine, with the standard library only.

Source: Kubernetes documentation, "API Concepts" and "API Discovery".
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Iterator
from typing import Any, Self
from urllib.parse import urlencode

from infra_runtime.errors import InfraError
from infra_runtime.kept_connection import KeptConnection

#: the time limit of one request in seconds
PATIENCE = 30.0
#: seconds between two requests that wait for a resource
INTERVAL = 0.02
#: the methods for which a repeated request has no additional effect
_IDEMPOTENT = frozenset({"GET", "DELETE", "PATCH"})
#: the media type of the list of all resources
_RESOURCES = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class ApiError(InfraError):
    """The error that the API server refused a request; `status` is the HTTP status of its answer."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, status)
        self.message, self.status = message, status

    def __str__(self) -> str:
        return self.message


class ControlPlaneApi:
    """A connection to an API server, which stays open between requests."""

    def __init__(self, host: str, port: int, token: str, ca: str) -> None:
        """Create a connection; the first request opens it.

        `ca` is the path of the file with the certificate of the authority that signed the server's
        certificate. Raises `OSError` if the file does not exist yet.
        """
        context = ssl.create_default_context(cafile=ca)
        self._connection = KeptConnection(
            http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=context)
        )
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Return the resource, or the list of resources, at a path.

        Raises `ApiError` if it does not exist, or if the server refuses the request.
        """
        answer: dict[str, Any] = self._request("GET", f"{path}?{urlencode(query)}" if query else path)
        return answer

    def wait_for(self, path: str) -> None:
        """Wait until a resource exists. Raises `ApiError` after a minute, and at once for other errors."""
        deadline = time.monotonic() + 2 * PATIENCE
        while True:
            try:
                self.get(path)
            except ApiError as error:
                if error.status != http.client.NOT_FOUND or time.monotonic() > deadline:
                    raise
                time.sleep(INTERVAL)
            else:
                return

    def create(self, path: str, document: dict[str, Any]) -> bool:
        """Create a resource below the path of its kind; return false if a resource with its name exists."""
        try:
            self._request("POST", path, document, "application/json")
        except ApiError as error:
            if error.status != http.client.CONFLICT:
                raise
            return False
        return True

    def merge(self, path: str, fields: dict[str, Any]) -> None:
        """Change these fields of a resource; other fields are not changed."""
        self._request("PATCH", path, fields, "application/merge-patch+json")

    def delete(self, path: str) -> None:
        """Start the deletion of a resource; a missing resource is not an error."""
        try:
            self._request("DELETE", path)
        except ApiError as error:
            if error.status != http.client.NOT_FOUND:
                raise

    def namespaced(self) -> Iterator[tuple[str, str]]:
        """Yield the API path and the plural name of each kind of resource that can be listed in a namespace.

        If several versions of a group contain a kind, the kind is yielded for the preferred version only.
        """
        for root in ("/api", "/apis"):
            for group in self._request("GET", root, accept=_RESOURCES)["items"]:
                name = group["metadata"].get("name", "")
                yielded_kinds: set[str] = set()
                for version in group["versions"]:
                    path = f"{root}/{name}/{version['version']}" if name else f"{root}/{version['version']}"
                    for resource in version.get("resources", ()):
                        plural = resource["resource"]
                        if (
                            resource["scope"] == "Namespaced"
                            and "list" in resource["verbs"]
                            and plural not in yielded_kinds
                        ):
                            yielded_kinds.add(plural)
                            yield path, plural

    def is_ready(self) -> bool:
        """Return whether the server is ready for all requests."""
        try:
            self._request("GET", "/readyz")
        except (ApiError, OSError, http.client.HTTPException):
            self.close()
            return False
        return True

    def _request(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        kind: str = "",
        accept: str = "application/json",
    ) -> Any:
        """Send a request; return the JSON object in the answer; None for other answers. Raises `ApiError`."""
        headers = {**self._headers, "Accept": accept, **({"Content-Type": kind} if kind else {})}
        content = None if body is None else json.dumps(body)
        status, answer = self._connection.send(
            method, path, content, headers, idempotent=method in _IDEMPOTENT
        )
        if status >= 300:
            raise ApiError(f"{method} {path}: status {status}: {_reason(answer)}", status)
        return json.loads(answer) if answer.startswith(b"{") else None

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _reason(answer: bytes) -> str:
    """Return the message in an answer; if the answer is not a status document, its first 200 bytes."""
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return answer[:200].decode("utf-8", "replace").strip()
