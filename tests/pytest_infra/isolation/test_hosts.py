"""Host names in a proxy as isolation units: the same tests for every proxy."""

from __future__ import annotations

import contextlib

import pytest

from fakes import upstream
from fakes.suite import Suite
from infra_runtime import catalogue
from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.manifest import KINDS
from pytest_infra.isolation.hosts import RoutedHost

PROXIES = [
    pytest.param(kind, marks=pytest.mark.real(kind))
    for kind in KINDS
    if "proxy" in catalogue.entry(kind).roles
]
API = f"""
[services.api]
command = ["${{bin.python}}", "-I", "-S", "{upstream.__file__}", "${{port.http}}", "api"]
ports = {{ http = 18080 }}
route = "/stack/*"
"""
SUITE = r"""
import pytest
from infra_runtime.errors import InfraError

def ask(client, path):
    answer = client.get(path)
    return answer.status_code, answer.text

@pytest.mark.parametrize("number", range(4))
def test_it(PROXY, api, http_client, number):
    client, body = http_client(PROXY), f'test {number}: $1 ${{x}} "q" \\ é\n'
    assert ask(client, "/hello")[0] == 404
    PROXY.respond("/hello", body=body, status=202)
    PROXY.route("/api/*", to=api, strip=True)
    assert ask(client, "/hello") == (202, body)
    assert client.get("/api/x%2Fy?q=1").json()["path"] == "/x%2Fy?q=1"
    assert client.get("/stack/x").json()["path"] == "/stack/x"
    assert ask(http_client("PROXY", headers={"Host": "other.localhost"}), "/hello")[0] == 404
    PROXY.respond("/hello", body="new")
    assert ask(client, "/hello") == (200, "new")

def test_a_released_unit_leaves_no_route(PROXY, infra_unit, http_client):
    with infra_unit("PROXY") as unit:
        assert unit.url == PROXY.url
        client = http_client(PROXY, headers=unit.headers)
        unit.respond("/kept", body="kept")
        with unit.example():
            unit.respond("/more", body="more")
            assert ask(client, "/more") == (200, "more")
        assert ask(client, "/more")[0] == 404
        assert ask(client, "/kept") == (200, "kept")
    PROXY.respond("/own", body="own")
    assert ask(client, "/kept")[0] == 404

def test_a_refused_route_does_not_affect_the_other_routes(PROXY, http_client):
    PROXY.respond("/hello", body="hello")
    with pytest.raises(InfraError, match="should be the endpoint"):
        PROXY.route("/x", to="http://localhost:1")
    if "PROXY" == "nginx":
        with pytest.raises(InfraError, match="invalid port"):
            PROXY.route("/x", to="127.0.0.1:99999")
    assert ask(http_client(PROXY), "/hello") == (200, "hello")
    assert ask(http_client(PROXY), "/x")[0] == 404

def test_the_proxy_of_the_stack_has_no_route_of_a_test(PROXY, infra_stack, http_client):
    PROXY.respond("/hello", body="hello")
    stack = http_client("PROXY", base_url=infra_stack.PROXY.url, headers=PROXY.headers)
    assert ask(stack, "/hello")[0] == 404
"""


SELECTED = """
def test_it(proxy, infra_stack, http_client):
    assert [service.kind for service in infra_stack.status().services if service.name == "proxy"] == ["nginx"]
    assert http_client("proxy").get("/stack/x").json()["path"] == "/stack/x"
    proxy.respond("/hello", body="hello")
    assert http_client(proxy).get("/hello").text == "hello"
    assert http_client("proxy", base_url=infra_stack.proxy.url).get("/hello").status_code == 404
"""


@pytest.mark.real("nginx")
def test_the_fixture_of_the_selected_proxy_is_called_proxy(suite: Suite) -> None:
    pytest.importorskip("httpx")
    suite.stack('use = ["caddy", "api"]\n', 'proxy = "nginx"\n', API)
    suite.test(SELECTED)

    suite.run().assert_outcomes(passed=1)


@pytest.mark.parametrize("kind", PROXIES)
def test_each_test_has_its_own_routes(suite: Suite, kind: str) -> None:
    pytest.importorskip("httpx")
    pytest.importorskip("xdist")
    suite.stack(f'use = ["{kind}", "api"]\n', API)
    suite.test(SUITE.replace("PROXY", kind))

    result = suite.run("-n2")

    result.assert_outcomes(passed=7)
    result.stdout.fnmatch_lines(["infra: 2 services, *; 0 processes, 0 ports, 0 sockets left"])


# --- without a proxy ---------------------------------------------------------------------------------

SERVER = Endpoint("caddy", {"host": "127.0.0.1", "port": "8080"}, {"http": 8080}, "/nowhere")


class FakeHost(RoutedHost):
    """A host name whose proxy adds and removes routes only at the end of the list, as Caddy does."""

    used: tuple[str, ...] = ()

    def update(self) -> None:
        kept = self.used[: len(self.added_routes)]
        self.used = (*kept, *(route.path for route in self.added_routes[len(kept) :]))


@pytest.fixture
def host() -> FakeHost:
    unit = FakeHost(SERVER, "test-1", "a test")
    unit.respond("/kept")
    return unit


def test_the_routes_of_an_example_are_removed_at_its_end(host: FakeHost) -> None:
    with host.example() as example:
        example.respond("/more")
        assert host.used == ("/kept", "/more")

    assert host.used == ("/kept",)


def test_the_routes_of_a_failed_example_remain_until_the_next_example(host: FakeHost) -> None:
    with contextlib.suppress(AssertionError), host.example() as example:
        example.respond("/failed")
        raise AssertionError
    in_the_report = host.used
    host.respond("/between")

    with host.example():
        in_the_next_example = host.used

    assert in_the_report == ("/kept", "/failed")
    assert in_the_next_example == host.used == ("/kept", "/between")
