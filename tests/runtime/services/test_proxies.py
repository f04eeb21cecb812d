"""The contract of all proxies: the same routes have the same meaning. `pytest -k nginx` runs one proxy."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import select
import signal
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

import infra_runtime as infra
from fakes import upstream
from fakes.engine import spec_of
from fakes.project import Project
from fakes.stacks import until
from infra_runtime import catalogue
from infra_runtime.contributions import Contribution, Route
from infra_runtime.data_directory import journal
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.stack import Stack
from infra_runtime.manifest import KINDS
from infra_runtime.services import routes
from infra_runtime.services.routes import HEALTH

PROXIES = [kind for kind in KINDS if "proxy" in catalogue.entry(kind).roles]
#: proxy → clause (the name of its test) → why the proxy does not keep it. The test runs all the same and must
#: fail. The page of the proxy states each exception.
EXCEPTIONS: Mapping[str, Mapping[str, str]] = {
    "nginx": {
        "test_a_request_waits_for_a_service_that_restarts": "nginx tries another server, but it never waits",
    },
    "traefik": {
        "test_a_proxy_serves_the_files_of_a_folder": "Traefik has no server of files",
        "test_dots_and_empty_parts_of_a_path_arrive_unchanged": "Traefik removes these parts of a path",
        "test_the_response_names_what_is_missing": "Traefik's responses 404 and 502 have fixed texts",
    },
}
#: the proxies that wait for a service
PATIENT = [kind for kind in PROXIES if "patience" in catalogue.entry(kind).settings.model_fields]
PATIENCE = 120.0
LARGE = 20_000_000


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each clause for each proxy; a clause with an exception must fail."""
    if "kind" not in metafunc.fixturenames:
        return
    marked = []
    for kind in PROXIES:
        marks: list[Any] = [pytest.mark.real(kind)] if "proxy" in metafunc.fixturenames else []
        if reason := EXCEPTIONS.get(kind, {}).get(metafunc.function.__name__):
            marks.append(pytest.mark.xfail(raises=AssertionError, strict=True, reason=reason))
        marked.append(pytest.param(kind, marks=marks, id=kind))
    metafunc.parametrize("kind", marked, scope="module")


def test_an_exception_names_a_proxy_and_a_clause() -> None:
    for kind, clauses in EXCEPTIONS.items():
        assert kind in PROXIES
        assert clauses.keys() <= globals().keys()


# --- the routes as data ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "matching", "other"),
    [
        ("/*", ["/", "/x", "/x/y"], []),
        ("/api/*", ["/api", "/api/", "/api/x/y", "/API/x"], ["/apix", "/x/api", "/"]),
        ("/api", ["/api"], ["/api/", "/api/x"]),
        ("/a.b+c", ["/a.b+c"], ["/axb+c", "/a.bbc"]),
        ("/api*", ["/api", "/apix", "/api/x"], ["/ap"]),
        ("/a/*/b", ["/a/x/b"], ["/a/x/y/b", "/a/b"]),
        ("/a/*/b/*", ["/a/x/b", "/a/x/b/y"], ["/a/x", "/a/x/y/b"]),
    ],
)
def test_the_expression_of_a_path_matches_the_same_requests(
    path: str, matching: list[str], other: list[str]
) -> None:
    expression = routes.path_expression(path)

    matched = [text for text in (*matching, *other) if _matches(expression, text)]

    assert matched == matching


def test_a_star_in_a_host_is_one_label() -> None:
    expression = routes.host_expression("*.localhost")

    assert _matches(expression, "a.localhost")
    assert not _matches(expression, "a.b.localhost")
    assert not _matches(expression, "localhost")


def _matches(expression: str, text: str) -> bool:
    return bool(re.search(expression, text, re.IGNORECASE))


def test_a_route_to_a_service_is_a_reference_and_so_a_need(kind: str) -> None:
    spec = spec_of(kind, routes=[{"path": "/api/*", "to": "api"}])

    assert spec.all_needs() == ("api",)


def test_a_route_to_another_server_is_not_a_need(kind: str) -> None:
    assert spec_of(kind, routes=[{"to": "127.0.0.1:9000"}]).all_needs() == ()


def test_the_own_routes_of_a_proxy_come_first_and_then_the_longest_paths(kind: str) -> None:
    settings = catalogue.entry(kind).settings.model_validate({"routes": [{"path": "/", "to": "own"}]})
    offers = [
        Contribution(key="route", service=name, value=Route(path=path, host=host))
        for name, path, host in (
            ("site", "/*", None),
            ("api", "/api/*", None),
            ("hosted", "/api/*", "x.localhost"),
        )
    ]

    assert [route.to for route in routes.all_routes(settings, offers)] == ["own", "hosted", "api", "site"]


@pytest.mark.parametrize("patient", PATIENT)
def test_in_the_test_environment_requests_do_not_wait_for_a_stopped_service(patient: str) -> None:
    entry = catalogue.entry(patient)

    assert entry.defaults["test"]["patience"] == 0
    assert entry.settings.model_validate({}).patience > 0


def test_a_service_that_is_skipped_has_no_route(kind: str, project: Project) -> None:
    api = '[services.api]\ncommand = ["api"]\nports = { http = 8000 }\nroute = "/*"\n'
    project.write(f"telemetry = false\n{api}")

    assert project.names(kind) == ["api", kind]
    assert project.names(kind, skip=("api",)) == [kind]


# --- real servers ----------------------------------------------------------------------------------


STACK = """
use = ["{kind}", "patient", "gone", "later"]
[services.patient]
kind = "{kind}"
{patience}

[services.plain]
command = ["${{bin.python}}", "-I", "-S", "{server}", "${{port.http}}", "plain"]
ports = {{ http = 8000 }}
route = "/*"

[services.strip]
command = ["${{bin.python}}", "-I", "-S", "{server}", "${{port.http}}", "strip"]
ports = {{ http = 8001 }}
route = {{ path = "/strip/*", strip = true }}

[services.hosted]
command = ["${{bin.python}}", "-I", "-S", "{server}", "${{port.http}}", "hosted"]
ports = {{ http = 8002 }}
route = {{ path = "/hosted/*", host = "shop.localhost" }}

[services.gone]
command = ["${{bin.python}}", "-I", "-S", "{server}", "${{port.http}}", "gone"]
ports = {{ http = 8003 }}
route = "/strip/gone/*"

[services.later]
command = ["${{bin.python}}", "-I", "-S", "{server}", "${{port.http}}", "later"]
ports = {{ http = 8004 }}
route = "/later/*"
"""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer to a request, and the request that the service behind the proxy has received."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def received(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A running proxy of the kind, with the services of `STACK` behind it."""

    kind: str
    stack: Stack

    def connect(self, name: str = "") -> http.client.HTTPConnection:
        endpoint = self.stack[name or self.kind]
        return http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=PATIENCE)

    def request(self, path: str, method: str = "GET", body: Any = None, **headers: str) -> Answer:
        connection = self.connect()
        with contextlib.closing(connection):
            connection.request(
                method, path, body, {name.replace("_", "-"): headers[name] for name in headers}
            )
            response = connection.getresponse()
            text = response.read().decode()
            return Answer(status=response.status, headers=dict(response.getheaders()), text=text)


@pytest.fixture(scope="module")
def proxy(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """The proxy with services, which the clauses share."""
    folder = tmp_path_factory.mktemp(kind)
    text = STACK.format(
        kind=kind,
        server=upstream.__file__,
        patience="patience = 60.0" if kind in PATIENT else "",
    )
    if "test_a_proxy_serves_the_files_of_a_folder" not in EXCEPTIONS.get(kind, {}):
        for path, files in (("/static/*", "public"), ("/absolute/*", f"{folder}/public")):
            text += f'[[services.{kind}.routes]]\npath = "{path}"\nstrip = true\nfiles = "{files}"\n'
    (folder / "infra.toml").write_text(text, encoding="utf-8")
    (folder / "public" / "docs").mkdir(parents=True)
    (folder / "public" / "style.css").write_text("a sheet", encoding="utf-8")
    (folder / "public" / "docs" / "index.html").write_text("the index", encoding="utf-8")
    with infra.start(directory=folder, environment="test", data=folder / "data") as stack:
        yield Proxy(kind=kind, stack=stack)


def test_the_health_path_of_a_proxy_has_priority_over_all_routes(proxy: Proxy) -> None:
    answer = proxy.request(HEALTH)

    assert answer.status == 200
    assert "plain" not in answer.text


def test_the_path_arrives_unchanged(proxy: Proxy) -> None:
    path = "/a/x%2Fy%20z%25+w/b;c=1/%C3%A4?q=1%2F2&r=a+b&s=%20&t"

    received = proxy.request(path).received

    assert (received["name"], received["path"]) == ("plain", path)


def test_dots_and_empty_parts_of_a_path_arrive_unchanged(proxy: Proxy) -> None:
    assert proxy.request("/x/../a/./b//c").received["path"] == "/x/../a/./b//c"


@pytest.mark.parametrize(
    ("path", "stripped"),
    [
        ("/strip/x%2Fy%20z?q=%2F", "/x%2Fy%20z?q=%2F"),
        ("/strip", "/"),
        ("/strip/", "/"),
        ("/strip?q=1", "/?q=1"),
        ("/STRIP/x", "/x"),
    ],
)
def test_strip_removes_the_fixed_part_of_the_path(proxy: Proxy, path: str, stripped: str) -> None:
    received = proxy.request(path).received

    assert (received["name"], received["path"]) == ("strip", stripped)


def test_a_longer_path_takes_precedence(proxy: Proxy) -> None:
    names = [proxy.request(path).received["name"] for path in ("/stripx", "/later/x", "/laterx")]

    assert names == ["plain", "later", "plain"]


def test_a_route_can_be_for_one_host(proxy: Proxy) -> None:
    hosts = ("shop.localhost", f"SHOP.localhost:{proxy.stack[proxy.kind].port}", "other.localhost")

    names = [proxy.request("/hosted/x", Host=host).received["name"] for host in hosts]

    assert names == ["hosted", "hosted", "plain"]
    assert proxy.request("/strip/x", Host="shop.localhost").received["name"] == "strip"


@pytest.mark.parametrize("path", ["/static", "/absolute"])
def test_a_proxy_serves_the_files_of_a_folder(proxy: Proxy, path: str) -> None:
    style, index, missing = (proxy.request(f"{path}/{name}") for name in ("style.css", "docs/", "missing"))

    assert (style.status, style.text) == (200, "a sheet")
    assert style.headers["Content-Type"].startswith("text/css")
    assert index.text == "the index"
    assert missing.status == 404


def test_the_service_gets_the_address_of_the_client_and_the_host(proxy: Proxy) -> None:
    headers = proxy.request(
        "/x", Host="other.localhost", X_Forwarded_For="192.0.2.1", X_Forwarded_Proto="https"
    ).received["headers"]

    assert headers["host"] == headers["x-forwarded-host"] == "other.localhost"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"


def test_long_headers_arrive_in_both_directions(proxy: Proxy) -> None:
    long = "x" * 30_000
    with contextlib.closing(proxy.connect()) as connection:
        connection.request("GET", "/x", headers={"X-Long": long})
        response = connection.getresponse()

        assert json.loads(response.read())["headers"]["x-long"] == long
        assert response.getheader("X-Long") == long


def test_a_client_cannot_set_a_header_of_the_proxy_with_an_underscore(proxy: Proxy) -> None:
    """An application that replaces `-` by `_`, as CGI does, could not distinguish the two headers."""
    with contextlib.closing(proxy.connect()) as connection:
        connection.request("GET", "/x", headers={"X_Forwarded_For": "192.0.2.1", "X-Other": "1"})

        received = json.loads(connection.getresponse().read())["headers"]
        assert [name for name in received if "_" in name or name == "x-other"] == ["x-other"]


def test_a_head_request_has_no_body(proxy: Proxy) -> None:
    answer = proxy.request("/x", "HEAD")

    assert (answer.status, answer.text) == (200, "")
    assert int(answer.headers["Content-Length"]) > 0


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_arrives_unchanged(proxy: Proxy, chunked: bool) -> None:
    body = os.urandom(1000) * (LARGE // 1000)
    sent = (body[start : start + 65536] for start in range(0, LARGE, 65536)) if chunked else body

    received = proxy.request("/x", "POST", sent).received

    assert (received["length"], received["hash"]) == (LARGE, hashlib.sha256(body).hexdigest())


def test_a_response_is_forwarded_part_by_part(proxy: Proxy) -> None:
    """The service sends the second part only after the first part has arrived."""
    with contextlib.closing(proxy.connect()) as connection:
        connection.request("GET", "/stream")
        response = connection.getresponse()
        first = response.read(5)
        proxy.request("/release")

        assert (first, response.read()) == (b"first", b"last")


def test_a_websocket_is_forwarded(proxy: Proxy) -> None:
    endpoint = proxy.stack[proxy.kind]
    with socket.create_connection((endpoint.host, endpoint.port), timeout=PATIENCE) as client:
        client.sendall(
            b"GET /websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        head = _read_head(client)
        client.sendall(b"hello")

        assert head.startswith(b"HTTP/1.1 101")
        # Source: RFC 6455, section 1.3
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        assert client.recv(100) == b"HELLO"


def _read_head(client: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n") and (byte := client.recv(1)):
        head += byte
    return head


@pytest.fixture
def without_gone(proxy: Proxy) -> Iterator[Proxy]:
    """The proxy while the service `gone` is stopped."""
    proxy.stack.stop("gone")
    yield proxy
    proxy.stack.start("gone")


def test_a_request_to_a_stopped_service_fails(without_gone: Proxy) -> None:
    assert without_gone.request("/strip/gone/x").status in (502, 503, 504)
    assert without_gone.request("/strip/x").status == 200


def test_the_response_names_what_is_missing(without_gone: Proxy) -> None:
    assert "gone does not answer" in without_gone.request("/strip/gone/x").text


def test_after_a_restart_of_a_service_no_request_fails(proxy: Proxy) -> None:
    """A connection that the proxy has kept open to the old process is not used."""
    for _ in range(3):
        assert proxy.request("/strip/x", "POST", b"body").status == 200
        proxy.stack.restart("strip")
    assert proxy.request("/strip/x", "POST", b"body").status == 200


def test_a_request_waits_for_a_service_that_restarts(proxy: Proxy) -> None:
    proxy.stack.stop("later")
    try:
        with contextlib.closing(proxy.connect("patient")) as connection:
            connection.request("GET", "/later/x")
            answered, _, _ = select.select([connection.sock], [], [], 0.3)
            assert not answered
            proxy.stack.start("later")
            assert connection.getresponse().status == 200
    finally:
        proxy.stack.start("later")


def test_no_process_is_left_when_its_first_process_is_killed(proxy: Proxy) -> None:
    (pid,) = [service.pid for service in proxy.stack.status().services if service.name == proxy.kind]
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]

    os.kill(pid, signal.SIGKILL)

    until(lambda: not any(member.is_running() for member in family), PATIENCE)
    proxy.stack.wait(proxy.kind)
    assert proxy.request("/x").received["name"] == "plain"


def test_a_proxy_stops_although_a_client_is_connected(proxy: Proxy) -> None:
    with contextlib.closing(proxy.connect("patient")) as idle:
        idle.request("GET", HEALTH)
        idle.getresponse().read()
        proxy.stack.stop("patient")

    events = journal.read(Paths(str(proxy.stack.data)).journal)
    exits = [event.status for event in events if (event.event, event.service) == ("exited", "patient")]
    assert exits == [0]


def test_the_log_of_a_proxy_has_the_requests_but_not_the_probes(proxy: Proxy) -> None:
    proxy.request("/in-the-log")

    log = Path(proxy.stack.data) / "logs" / f"{proxy.kind}.log"
    until(lambda: "/in-the-log" in log.read_text(encoding="utf-8"), PATIENCE)
    # A probe that arrives before the proxy has its routes has the response 404.
    lines = [line for line in log.read_text(encoding="utf-8").splitlines() if HEALTH in line]
    assert [line for line in lines if " 404 " not in line] == []
