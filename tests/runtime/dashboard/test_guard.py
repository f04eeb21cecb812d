"""The checks of every request: host, origin, session, token; and the headers of every response."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")

from fakes import asgi
from fakes.dashboard import HOST, KEY, ORIGIN, Site, service
from infra_runtime.dashboard.application import PUBLIC, application
from infra_runtime.dashboard.rendering import assets, files
from infra_runtime.dashboard.sessions import Role

RESTART = "/api/v1/services/db/restart"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path, service("db"))
    site.log("db", "ready\n")
    return site


def sent(site: Site, path: str, headers: list[tuple[str, str]], **more: Any) -> asgi.Response:
    """Send a request whose headers may be missing or doubled."""

    async def main() -> asgi.Response:
        return await asgi.request(application(site.dashboard()), path, headers=headers, **more)

    return asyncio.run(main())


# --- host ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [""],
        ["evil.test:1337"],
        ["dashboard.localhost.evil.test:1337"],
        ["evil-dashboard.localhost:1337"],
        ["other.localhost:1337"],
        ["127.0.0.1:1338"],
        ["127.0.0.1"],
        ["127.0.0.1:1337:1337"],
        ["127.0.0.1:1337@evil.test"],
        ["[::1"],
        ["\u00e9.test:1337"],
        [HOST, HOST],
        [HOST, "evil.test"],
    ],
)
def test_another_or_a_doubled_host_is_refused_on_every_path(site: Site, hosts: list[str]) -> None:
    for path in ("/", "/health", "/login", f"{assets()}/dashboard.css", "/api/v1/services"):
        response = sent(site, path, [*(("host", host) for host in hosts), ("x-dashboard-key", KEY)])

        assert response.status == 403


@pytest.mark.parametrize("host", ["127.0.0.1:1337", "localhost:1337", "dashboard.localhost:1337"])
def test_the_hosts_of_this_dashboard_are_accepted(site: Site, host: str) -> None:
    assert site.ask("/health", headers={"host": host}).status_code == 200


# --- sessions --------------------------------------------------------------------------------------


def test_every_route_without_a_login_is_refused(site: Site) -> None:
    app = application(site.dashboard())
    starlette: Any = app.app._app
    paths = {
        route.path.replace("{name}", "db").replace("{action}", "restart")
        for route in starlette.routes
        if hasattr(route, "methods")
    }

    answers = {path: site.ask(path).status_code for path in paths - PUBLIC}

    assert {
        "/",
        "/logs",
        "/api/v1/streams/logs",
        "/stream/services",
        "/api/v1/logs",
        "/status",
    } <= answers.keys()
    assert set(answers.values()) == {401}


def test_an_unknown_cookie_is_refused_and_the_page_names_the_command(site: Site) -> None:
    response = site.ask("/", cookie="x" * 43)

    assert response.status_code == 401
    assert "infra runtime open dashboard" in response.text


def test_a_doubled_cookie_is_refused(site: Site) -> None:
    cookie = site.cookie()
    headers = [("host", HOST), ("cookie", f"infra-1337={cookie}; infra-1337=other")]

    assert sent(site, "/status", headers).status == 401


def test_the_key_of_the_service_replaces_a_login(site: Site) -> None:
    assert site.ask("/status", headers={"x-dashboard-key": KEY}).status_code == 200
    assert site.ask("/status", headers={"x-dashboard-key": "wrong"}).status_code == 401
    assert site.ask("/status", headers={"x-dashboard-key": ""}).status_code == 401


# --- requests that change something ----------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.test"},
        {"origin": "http://127.0.0.1:8080"},
        {"origin": "null"},
        {"origin": f"https://{HOST}"},
        {"origin": "http://localhost:1337"},
    ],
)
def test_a_page_of_another_origin_changes_nothing(site: Site, headers: dict[str, str]) -> None:
    response = site.change(RESTART, site.cookie(), **headers)

    assert response.status_code == 403
    assert site.supervisor.acted == []


def test_a_request_that_does_not_name_its_origin_changes_nothing(site: Site) -> None:
    cookie = site.cookie()
    headers = {"x-dashboard-token": site.header_token(cookie)}

    assert site.ask(RESTART, method="POST", headers=headers, cookie=cookie).status_code == 403
    assert site.ask("/login", method="POST", content="token=x").status_code == 403
    assert site.supervisor.acted == []


@pytest.mark.parametrize("token", ["", "wrong"])
def test_a_cookie_without_the_token_of_its_session_changes_nothing(site: Site, token: str) -> None:
    response = site.change(RESTART, site.cookie(), **{"x-dashboard-token": token})

    assert response.status_code == 403
    assert site.supervisor.acted == []


def test_the_token_of_another_session_changes_nothing(site: Site) -> None:
    other = site.header_token(site.cookie())

    assert site.change(RESTART, site.cookie(), **{"x-dashboard-token": other}).status_code == 403


def test_a_viewer_reads_but_changes_nothing(site: Site) -> None:
    cookie = site.cookie(Role.VIEWER)

    assert site.ask("/", cookie=cookie).status_code == 200
    assert site.change(RESTART, cookie).status_code == 403
    assert site.supervisor.acted == []


def test_no_get_request_changes_anything(site: Site) -> None:
    for path in (RESTART, "/logout", "/api/v1/login-links"):
        assert site.ask(path, cookie=site.cookie()).status_code in {404, 405}
    assert site.supervisor.acted == []


def test_a_page_of_another_origin_reads_nothing_but_may_have_a_link(site: Site) -> None:
    cookie = site.cookie()
    embedding = {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}
    following = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}

    assert site.ask("/api/v1/services", headers=embedding, cookie=cookie).status_code == 403
    assert (
        site.ask("/api/v1/services", headers={"origin": "http://evil.test"}, cookie=cookie).status_code == 403
    )
    assert site.ask("/", headers=following, cookie=cookie).status_code == 200


# --- headers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/login", f"{assets()}/dashboard.js", f"{assets()}/missing", "/health", "/unknown"]
)
def test_every_response_has_the_strict_policy(site: Site, path: str) -> None:
    headers = site.ask(path, headers={"origin": ORIGIN}).headers

    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "path", ["/../guard.py", "/%2e%2e/guard.py", "/..%2fguard.py", "/../../guard.py", "//etc/passwd"]
)
def test_a_path_outside_of_the_static_files_is_not_served(site: Site, path: str) -> None:
    path = f"{assets()}{path}"
    decoded = path.replace("%2e", ".").replace("%2f", "/")

    assert sent(site, decoded, [("host", HOST)], raw_path=path.encode()).status == 404


def test_every_static_file_has_a_type_that_browsers_accept(site: Site) -> None:
    types = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

    for name, content in files().items():
        file = site.ask(f"{assets()}/{name}")

        assert file.content == content
        assert file.headers["content-type"].partition(";")[0] == types[name.rpartition(".")[2]]


def test_browsers_keep_static_files_and_nothing_else(site: Site) -> None:
    file = site.ask(f"{assets()}/dashboard.js")

    assert file.status_code == 200
    assert file.headers["cache-control"] == "max-age=31536000, immutable"
    for path in ("/", "/login", "/static/other/dashboard.js"):
        assert site.ask(path, cookie=site.cookie()).headers["cache-control"] == "no-store"
    assert f'src="{assets()}/dashboard.js"' in site.ask("/", cookie=site.cookie()).text
