"""Requests to the API server of a Kubernetes cluster on this machine, with the standard library.

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

#: seconds for one request
PATIENCE = 30.0
#: seconds between two requests that wait for a resource
INTERVAL = 0.02
#: the methods that have no second effect if they are sent again
_IDEMPOTENT = frozenset({"GET", "DELETE", "PATCH"})
#: the media type of the list of all resources
_RESOURCES = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class ApiError(InfraError):
    """The error that the API server refused a request; `status` is the status of its answer."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, status)
        self.message, self.status = message, status

    def __str__(self) -> str:
        return self.message


class ControlPlaneApi:
    """A connection to an API server, which stays open between requests."""

    def __init__(self, host: str, port: int, token: str, ca: str) -> None:
        """`ca` is the path of the file with the certificate of the server's authority.

        Raises `OSError` if the file does not exist yet.
        """
        context = ssl.create_default_context(cafile=ca)
        self._connection = KeptConnection(
            http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=context)
        )
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Return a resource or a list of resources. Raises `ApiError` if it does not exist."""
        answer: dict[str, Any] = self._request("GET", f"{path}?{urlencode(query)}" if query else path)
        return answer

    def wait_for(self, path: str) -> None:
        """Wait until a resource exists. Raises `ApiError` if it does not exist after a minute."""
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
        """Create a resource below the path of its kind; return False if a resource of this name exists."""
        try:
            self._request("POST", path, document, "application/json")
        except ApiError as error:
            if error.status != http.client.CONFLICT:
                raise
            return False
        return True

    def merge(self, path: str, fields: dict[str, Any]) -> None:
        """Change fields of a resource."""
        self._request("PATCH", path, fields, "application/merge-patch+json")

    def delete(self, path: str) -> None:
        """Start the deletion of a resource; a missing resource is not an error."""
        try:
            self._request("DELETE", path)
        except ApiError as error:
            if error.status != http.client.NOT_FOUND:
                raise

    def namespaced(self) -> Iterator[tuple[str, str]]:
        """Yield the path of the API and the plural name of each kind of resource that a namespace can list.

        A kind that several versions of a group contain is yielded for the preferred version only.
        """
        for root in ("/api", "/apis"):
            for group in self._request("GET", root, accept=_RESOURCES)["items"]:
                name = group["metadata"].get("name", "")
                seen: set[str] = set()
                for version in group["versions"]:
                    path = f"{root}/{name}/{version['version']}" if name else f"{root}/{version['version']}"
                    for resource in version.get("resources", ()):
                        plural = resource["resource"]
                        if (
                            resource["scope"] == "Namespaced"
                            and "list" in resource["verbs"]
                            and plural not in seen
                        ):
                            seen.add(plural)
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
        """Send a request and return the decoded answer."""
        headers = {**self._headers, "Accept": accept, **({"Content-Type": kind} if kind else {})}
        data = None if body is None else json.dumps(body)
        status, answer = self._connection.send(method, path, data, headers, idempotent=method in _IDEMPOTENT)
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
    """Return the message of a status document, or the beginning of another answer."""
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return answer[:200].decode("utf-8", "replace").strip()
