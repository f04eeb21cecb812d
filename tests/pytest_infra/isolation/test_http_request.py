"""Requests of service kits: the address, the body and the headers arrive, and failures are errors."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.connection import CommandError
from pytest_infra.isolation.http_request import request, send

pytestmark = pytest.mark.process

SERVER = Endpoint("store", {}, {}, "/nowhere")


class Handler(http.server.BaseHTTPRequestHandler):
    """Returns the request as text; the path `/refused` is refused, and `/broken` is not HTTP."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.path == "/broken":
            self.wfile.write(b"no status\r\n\r\n")
            return
        self.send_response(403 if self.path == "/refused" else 200)
        self.end_headers()
        self.wfile.write(f"{self.command} {self.path} {self.headers['x-key']} {body}".encode())

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the name in the base class


@pytest.fixture
def url() -> Iterator[str]:
    """The address of a server that runs in a thread."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_address_the_body_and_the_headers_arrive(url: str) -> None:
    assert request(SERVER, f"{url}/keys?limit=1", headers={"x-key": "secret"}) == b"GET /keys?limit=1 secret "
    assert request(SERVER, f"{url}/keys", body="a") == b"POST /keys None a"


def test_a_refused_request_is_an_error_with_the_response(url: str) -> None:
    with pytest.raises(CommandError, match="store answers 403 to /refused: b'GET /refused"):
        request(SERVER, f"{url}/refused")


def test_the_proxies_in_environment_variables_are_not_used(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)

    assert send(f"{url}/refused").status == 403


def test_a_response_that_is_not_http_is_an_error_of_the_connection(url: str) -> None:
    with pytest.raises(ConnectionError, match=r"GET http://.*/broken: BadStatusLine"):
        send(f"{url}/broken")
