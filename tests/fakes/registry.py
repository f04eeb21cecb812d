"""A small OCI registry on a socket, which can require a login and cause faults."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

USER, PASSWORD, TOKEN = "shop", "s3cret", "token-of-shop"


class FakeRegistry:
    """The content of a registry, the requests that it has received, and the faults that it causes."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.blobs: dict[str, bytes] = {}
        #: (repository, tag or digest) → media type, bytes
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.requests: list[str] = []
        #: `Basic` or `Bearer`; empty if no login is necessary
        self.login = ""
        #: whether the registry has the API for referrers
        self.has_referrers = False
        #: the beginning of `METHOD path` → status of the answer
        self.statuses: dict[str, int] = {}
        #: the part of the bytes of a blob that is sent before the connection is closed
        self.sent = 1.0
        #: whether a byte of each blob is changed
        self.flipped = False


#: port → the registry on this port
_registries: dict[object, FakeRegistry] = {}


@contextlib.contextmanager
def fake_registry() -> Iterator[FakeRegistry]:
    """Run a registry until the end of the `with` statement."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    registry = FakeRegistry(f"127.0.0.1:{server.server_address[1]}")
    _registries[server.server_address[1]] = registry
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        del _registries[server.server_address[1]]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def registry(self) -> FakeRegistry:
        return _registries[self.server.server_address[1]]

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        self._handle()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 - the names of http.server

    def _handle(self) -> None:
        url = urlsplit(self.path)
        request = f"{self.command} {url.path}"
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.registry.requests.append(request)
        if url.path == "/token":
            self._token(parse_qs(url.query))
        elif status := next(
            (code for start, code in self.registry.statuses.items() if request.startswith(start)), 0
        ):
            self._answer(
                status, json.dumps({"errors": [{"code": "FAULT", "message": "of the test"}]}).encode()
            )
        elif self.registry.login and not self._is_logged_in():
            realm = f'Bearer realm="http://{self.registry.address}/token",service="shop",scope="repository:x:pull"'
            challenge = realm if self.registry.login == "Bearer" else 'Basic realm="shop"'
            self._answer(401, b"{}", {"WWW-Authenticate": challenge})
        else:
            self._serve(url.path, parse_qs(url.query), body)

    def _is_logged_in(self) -> bool:
        expected = f"Bearer {TOKEN}"
        if self.registry.login == "Basic":
            expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return self.headers.get("Authorization") == expected

    def _token(self, query: dict[str, list[str]]) -> None:
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") == f"Basic {pair}" and query["scope"] == ["repository:x:pull"]:
            self._answer(200, json.dumps({"token": TOKEN}).encode())
        else:
            self._answer(401, b"{}")

    def _serve(self, path: str, query: dict[str, list[str]], body: bytes) -> None:
        match = re.fullmatch(r"/v2/(.+?)/(manifests|blobs|referrers)/(.*)", path)
        assert match, path
        repository, kind, name = match.groups()
        registry = self.registry
        if kind == "blobs" and self.command == "POST":
            self._answer(202, b"", {"Location": f"/v2/{repository}/blobs/uploads/1?state=a%2Fb"})
        elif kind == "blobs" and self.command == "PUT":
            assert query["state"] == ["a/b"], query
            digest = query["digest"][0]
            if f"sha256:{hashlib.sha256(body).hexdigest()}" != digest:
                self._answer(400, b"{}")
                return
            registry.blobs[digest] = body
            self._answer(201, b"")
        elif kind == "manifests" and self.command == "PUT":
            digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
            for reference in (name, digest):
                registry.manifests[repository, reference] = (self.headers["Content-Type"], body)
            self._answer(201, b"")
        elif kind == "referrers" and registry.has_referrers:
            self._referrers(repository, name)
        elif kind == "manifests" and (repository, name) in registry.manifests:
            media_type, data = registry.manifests[repository, name]
            self._answer(200, data, {"Content-Type": media_type})
        elif kind == "blobs" and name in registry.blobs:
            self._blob(registry.blobs[name])
        else:
            self._answer(404, json.dumps({"errors": [{"code": "UNKNOWN", "message": name}]}).encode())

    def _referrers(self, repository: str, digest: str) -> None:
        manifests = [
            {
                "mediaType": media_type,
                "digest": name,
                "size": len(data),
                "artifactType": json.loads(data)["artifactType"],
            }
            for (owner, name), (media_type, data) in self.registry.manifests.items()
            if owner == repository and json.loads(data).get("subject", {}).get("digest") == digest
        ]
        self._answer(200, json.dumps({"manifests": manifests}).encode())

    def _blob(self, data: bytes) -> None:
        if self.registry.flipped:
            data = data[:-1] + bytes((data[-1] ^ 1,))
        part = data[: int(len(data) * self.registry.sent)]
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(part)
        self.close_connection = len(part) < len(data)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
