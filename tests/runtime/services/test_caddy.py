from __future__ import annotations

import asyncio
import json
import socket
import ssl
import stat
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fakes.engine import made, written
from fakes.project import Project
from infra_runtime.services.caddy import HEALTH
from infra_runtime.spec import HttpProbe
from infra_runtime.supervisor import https_child


def servers(**settings: Any) -> dict[str, Any]:
    return written(made("caddy", **settings))["apps"]["http"]["servers"]


def routes(*given: dict[str, Any], **settings: Any) -> list[dict[str, Any]]:
    """The routes between the health check and the last word."""
    return servers(routes=given, **settings)["http"]["routes"][1:-1]


def test_its_admin_api_listens_on_a_socket_that_is_its_owners_alone() -> None:
    assert written(made("caddy"))["admin"]["listen"] == "unix/${run}/admin.sock|0600"


def test_nothing_of_it_lies_in_the_users_home() -> None:
    spec = made("caddy")

    assert {spec.env[name] for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")} == {"${data}"}
    assert written(spec)["storage"]["root"] == "${data}/storage"


def test_without_https_its_port_is_left_to_others() -> None:
    assert made("caddy").ports == {"http": 8080}
    assert made("caddy", https=True).ports == {"http": 8080, "https": 8443}


def test_with_https_it_is_ready_when_its_certificate_is_there() -> None:
    """The health check goes through the encrypted port, where the certificate comes some moments later."""
    health = servers(https=True)["http"]["routes"][0]

    assert health["handle"][-1]["upstreams"] == [{"dial": "${host}:${port.https}"}]


def test_https_leaves_the_machines_trust_store_alone() -> None:
    apps = written(made("caddy", https=True))["apps"]

    assert apps["pki"]["certificate_authorities"]["local"]["install_trust"] is False


def test_a_route_to_a_service_is_a_reference_and_so_a_need() -> None:
    spec = made("caddy", routes=[{"path": "/api/*", "to": "api"}])

    assert "${api.host}:${api.port}" in json.dumps(written(spec))
    assert spec.all_needs() == ("api",)


def test_a_route_to_a_server_outside_is_no_need() -> None:
    spec = made("caddy", routes=[{"to": "127.0.0.1:9000"}])

    assert spec.all_needs() == ()
    assert '"dial": "127.0.0.1:9000"' in json.dumps(written(spec))


def test_a_path_with_a_star_stands_for_the_path_without_it_too() -> None:
    (route,) = routes({"path": "/api/*", "to": "api"})

    assert route["match"] == [{"path": ["/api", "/api/*"]}]


def test_a_route_may_be_for_one_host() -> None:
    (route,) = routes({"host": "api.localhost", "to": "api"})

    assert route["match"] == [{"host": ["api.localhost"]}]


def test_the_fixed_part_of_the_path_may_be_taken_away() -> None:
    (route,) = routes({"path": "/api/*", "to": "api", "strip": True})

    assert route["handle"][0] == {"handler": "rewrite", "strip_path_prefix": "/api"}


def test_in_a_test_a_service_that_is_gone_is_seen_at_once(project: Project) -> None:
    project.write('[services.api]\ncommand = ["api"]\nports = { http = 8000 }\nroute = "/*"\n')

    assert "try_duration" in json.dumps(written(project.spec("caddy")))
    assert "try_duration" not in json.dumps(written(project.spec("caddy", environment="test")))


def test_the_longest_path_of_the_services_comes_first_and_caddys_own_before_all(project: Project) -> None:
    project.write(
        """
        [services.site]
        command = ["site"]
        ports = { http = 8000 }
        route = "/*"
        [services.api]
        command = ["api"]
        ports = { http = 8001 }
        route = { path = "/api/*", strip = true }
        [[services.caddy.routes]]
        path = "/"
        files = "public"
        """
    )

    found = written(project.spec("caddy"))["apps"]["http"]["servers"]["http"]["routes"][1:-1]

    assert [
        route["handle"][-1].get("root") or route["handle"][-1]["upstreams"][0]["dial"] for route in found
    ] == [
        "${root}/public",
        "${api.host}:${api.port}",
        "${site.host}:${site.port}",
    ]


def test_a_service_that_is_skipped_has_no_route(project: Project) -> None:
    project.write('[services.api]\ncommand = ["api"]\nports = { http = 8000 }\nroute = "/*"\n')

    assert project.names("caddy") == ["api", "caddy"]
    assert project.names("caddy", skip=("api",)) == ["caddy"]


# --- the real one ----------------------------------------------------------------------------------

SHOP = """
use = ["caddy"]
[services.shop]
command = ["${bin.python}", "-m", "http.server", "--bind", "${host}", "${port.http}"]
cwd = "${root}/goods"
ports = { http = 8000 }
ready = { http = "/" }
route = { path = "/shop/*", strip = true }
[[services.caddy.routes]]
path = "/static/*"
strip = true
files = "public"
"""


def get(url: str, context: ssl.SSLContext | None = None) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=60, context=context) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def shop(project: Project) -> Project:
    project.write(SHOP)
    project.write("an apple", "goods/apple.txt")
    project.write("a sheet", "public/style.css")
    return project


@pytest.mark.real("caddy")
@pytest.mark.usefixtures("shop")
def test_a_real_proxy_hands_each_path_where_it_belongs(run) -> None:
    url = run("caddy").caddy.url

    assert get(f"{url}/shop/apple.txt") == (200, "an apple")
    assert get(f"{url}/static/style.css") == (200, "a sheet")
    assert get(f"{url}/elsewhere") == (404, "no route leads from /elsewhere to a service\n")


@pytest.mark.real("caddy")
@pytest.mark.usefixtures("shop")
def test_a_real_proxy_says_which_service_gives_no_answer(run) -> None:
    stack = run("caddy")
    address = f"{stack.shop.host}:{stack.shop.port}"

    stack.stop("shop")

    status, text = get(f"{stack.caddy.url}/shop/apple.txt")
    assert status == 502
    assert text.startswith(f"502: shop gives no answer: dial tcp {address}: connect: connection refused")


@pytest.mark.real("caddy")
@pytest.mark.usefixtures("shop")
def test_a_real_proxy_answers_https_to_whoever_trusts_its_own_authority(run) -> None:
    stack = run("caddy", https=True)
    context = ssl.create_default_context(cafile=stack.caddy.root_certificate)

    assert get(f"{stack.caddy.https_url}/shop/apple.txt", context) == (200, "an apple")


@pytest.mark.real("caddy")
def test_a_real_admin_api_answers_on_its_socket_alone(run) -> None:
    path = run("caddy").caddy.admin_socket

    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(path)
        admin.sendall(b"GET /config/admin HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        assert admin.recv(100).startswith(b"HTTP/1.0 200 OK")


@pytest.mark.real("caddy")
def test_a_real_proxy_is_ready_for_an_https_probe_that_verifies_its_certificate(run) -> None:
    stack = run("caddy", https=True)
    url = urlsplit(stack.caddy.https_url)
    probe = HttpProbe(port="https", path=HEALTH, tls=True, ca=stack.caddy.root_certificate)

    assert asyncio.run(https_child.ready(probe, "127.0.0.1", url.port)) is None
