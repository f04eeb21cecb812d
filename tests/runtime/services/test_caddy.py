from __future__ import annotations

import asyncio
import socket
import ssl
import stat
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fakes.engine import configuration_of, spec_of
from fakes.project import Project
from infra_runtime.services.routes import HEALTH
from infra_runtime.spec import HttpProbe
from infra_runtime.supervisor import https_child


def servers(**settings: Any) -> dict[str, Any]:
    return configuration_of(spec_of("caddy", **settings))["apps"]["http"]["servers"]


def routes(*given: dict[str, Any], **settings: Any) -> list[dict[str, Any]]:
    """Return the routes without the health check (the first) and the response 404 (the last)."""
    return servers(routes=given, **settings)["http"]["routes"][1:-1]


def test_the_admin_api_listens_on_a_private_socket() -> None:
    assert configuration_of(spec_of("caddy"))["admin"]["listen"] == "unix/${run}/admin.sock|0600"


def test_all_its_files_are_in_the_data_directory() -> None:
    spec = spec_of("caddy")

    assert {spec.env[name] for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")} == {"${data}"}
    assert configuration_of(spec)["storage"]["root"] == "${data}/storage"


def test_without_https_its_port_is_not_used() -> None:
    assert spec_of("caddy").ports == {"http": 8080}
    assert spec_of("caddy", https=True).ports == {"http": 8080, "https": 8443}


def test_with_https_caddy_is_ready_when_it_has_its_certificate() -> None:
    """The health check goes through the HTTPS port, which is open shortly before the certificate exists."""
    health = servers(https=True)["http"]["routes"][0]

    assert health["handle"][-1]["upstreams"] == [{"dial": "${host}:${port.https}"}]


def test_https_does_not_change_the_trust_store_of_the_machine() -> None:
    apps = configuration_of(spec_of("caddy", https=True))["apps"]

    assert apps["pki"]["certificate_authorities"]["local"]["install_trust"] is False


def test_a_path_with_a_star_also_matches_the_path_without_it() -> None:
    (route,) = routes({"path": "/api/*", "to": "api"})

    assert route["match"] == [{"path": ["/api", "/api/*"]}]


def test_a_route_can_be_for_one_host() -> None:
    (route,) = routes({"host": "api.localhost", "to": "api"})

    assert route["match"] == [{"host": ["api.localhost"]}]


def test_the_fixed_part_of_the_path_can_be_removed() -> None:
    (route,) = routes({"path": "/api/*", "to": "api", "strip": True})

    assert route["handle"][0] == {"handler": "rewrite", "strip_path_prefix": "/api"}


# --- the real server -------------------------------------------------------------------------------

SHOP = """
use = ["caddy"]
[services.shop]
command = ["${bin.python}", "-m", "http.server", "--bind", "${host}", "${port.http}"]
cwd = "${root}/goods"
ports = { http = 8000 }
ready = { http = "/" }
route = { path = "/shop/*", strip = true }
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
    return project


@pytest.mark.real("caddy")
@pytest.mark.usefixtures("shop")
def test_a_real_proxy_reports_which_service_does_not_answer(run) -> None:
    stack = run("caddy")
    address = f"{stack.shop.host}:{stack.shop.port}"

    stack.stop("shop")

    status, text = get(f"{stack.caddy.url}/shop/apple.txt")
    assert get(f"{stack.caddy.url}/elsewhere") == (404, "no route leads from /elsewhere to a service\n")
    assert status == 502
    assert text.startswith(f"502: shop does not answer: dial tcp {address}: connect: connection refused")


@pytest.mark.real("caddy")
@pytest.mark.usefixtures("shop")
def test_a_real_proxy_answers_https_to_clients_that_trust_its_authority(run) -> None:
    stack = run("caddy", https=True)
    context = ssl.create_default_context(cafile=stack.caddy.root_certificate)

    assert get(f"{stack.caddy.https_url}/shop/apple.txt", context) == (200, "an apple")


@pytest.mark.real("caddy")
def test_a_real_proxy_does_not_remove_certificates_while_it_creates_them(run, tmp_path) -> None:
    """Caddy retries only after a minute if the folder of a new certificate was removed."""
    run("caddy", https=True)

    log = (tmp_path / "data-test" / "logs" / "caddy.log").read_text(encoding="utf-8")

    assert "certificate obtained successfully" in log
    assert '"cleaning storage unit"' not in log


@pytest.mark.real("caddy")
def test_a_real_admin_api_answers_on_its_socket(run) -> None:
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
