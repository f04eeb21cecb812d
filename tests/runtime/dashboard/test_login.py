"""Login links: valid for one login, for a limited time, and in no address that a server receives."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")

import httpx

from fakes.clock import Clock
from fakes.dashboard import KEY, ORIGIN, Site, service
from fakes.samples import every
from infra_runtime.dashboard.login import own_path
from infra_runtime.dashboard.sessions import ATTEMPTS, TOKEN_BYTES, Role
from infra_runtime.web import audit


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site(tmp_path: Path, clock: Clock) -> Site:
    return Site(tmp_path, service("db"), clock=clock)


def link(site: Site, role: str = "admin") -> str:
    response = site.ask(f"/api/v1/login-links?role={role}", method="POST", headers={"x-dashboard-key": KEY})
    assert response.status_code == 201
    return response.json()["url"]


def log_in(site: Site, token: str, target: str = "/") -> httpx.Response:
    return site.ask(
        f"/login?next={target}", method="POST", headers={"origin": ORIGIN}, content=f"token={token}"
    )


def test_a_link_logs_in_once(site: Site) -> None:
    address, _, token = link(site).partition("#")

    first, second = log_in(site, token), log_in(site, token)

    assert address == "http://dashboard.localhost:1337/login"
    assert (first.status_code, first.headers["location"]) == (303, "/")
    assert second.status_code == 403
    assert "already used" in second.text


def test_the_cookie_is_only_for_this_dashboard_and_for_no_script(site: Site) -> None:
    cookie = log_in(site, link(site).partition("#")[2]).headers["set-cookie"]

    name, *attributes = cookie.split("; ")
    assert name.startswith("infra-1337=")
    assert {attribute.lower() for attribute in attributes} == {"httponly", "samesite=strict", "path=/"}


def test_the_page_of_a_link_does_not_use_the_token(site: Site) -> None:
    token = link(site).partition("#")[2]

    for path in ("/login", f"/login?token={token}", f"/login?next=/{token}"):
        assert site.ask(path).status_code == 200
    assert log_in(site, token).status_code == 303


def test_a_link_expires_after_five_minutes(site: Site, clock: Clock) -> None:
    token = link(site).partition("#")[2]
    clock.now += 301

    assert log_in(site, token).status_code == 403


def test_a_token_has_128_random_bits(site: Site) -> None:
    tokens = {link(site).partition("#")[2] for _ in range(3)}

    assert TOKEN_BYTES * 8 == 128
    assert len(tokens) == 3


def test_logins_are_refused_for_a_minute_after_ten_failures(site: Site, clock: Clock) -> None:
    token = link(site).partition("#")[2]

    failures = {log_in(site, "wrong").status_code for _ in range(ATTEMPTS)}

    assert failures == {403}
    assert log_in(site, token).status_code == 429
    clock.now += 61
    assert log_in(site, token).status_code == 303


def test_only_an_admin_creates_links(site: Site) -> None:
    assert site.change("/api/v1/login-links", site.cookie(Role.ADMIN)).status_code == 201
    assert site.change("/api/v1/login-links", site.cookie(Role.OPERATOR)).status_code == 403
    assert site.ask("/api/v1/login-links", method="POST", headers={"origin": ORIGIN}).status_code == 401


def test_a_link_has_a_role(site: Site) -> None:
    cookie = log_in(site, link(site, "viewer").partition("#")[2]).cookies["infra-1337"]

    session = site.sessions.find(cookie)

    assert session is not None
    assert session.role is Role.VIEWER
    assert (
        site.ask("/api/v1/login-links?role=root", method="POST", headers={"x-dashboard-key": KEY}).status_code
        == 400
    )


@every(
    [
        "//evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "https:evil.test",
        "https://evil.test/",
        "javascript:alert(1)",
        "/\t/evil.test",
        "///evil.test",
        "evil.test",
        "",
        "/login",
    ]
)
def test_another_return_address_leads_to_the_first_page(target: str) -> None:
    assert own_path(target) == "/"


def test_a_path_of_the_dashboard_is_a_return_address() -> None:
    assert own_path("/logs?level=error&service=db") == "/logs?level=error&service=db"


def test_a_logout_ends_the_session(site: Site) -> None:
    cookie = site.cookie()

    response = site.change("/logout", cookie)

    assert response.status_code == 204
    assert site.ask("/", cookie=cookie).status_code == 401


def test_the_audit_log_has_logins_and_no_token(site: Site) -> None:
    token = link(site).partition("#")[2]
    cookie = log_in(site, token).cookies["infra-1337"]
    log_in(site, "wrong")
    site.change("/api/v1/services/db/restart", cookie)

    entries = site.entries()

    assert [entry["action"] for entry in entries] == ["login-link", "login", "login-failed", "restart"]
    assert entries[1]["actor"] == entries[3]["actor"] != ""
    text = site.audit.read_text(encoding="utf-8")
    assert token not in text
    assert cookie not in text
    assert audit.verify(site.audit).entries == 4


def test_files_with_sessions_are_private_and_have_no_cookie(site: Site) -> None:
    cookie = site.cookie()

    file = site.folder / "sessions.json"

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert cookie not in file.read_text(encoding="ascii")


def test_a_form_that_is_too_long_is_refused(site: Site) -> None:
    assert log_in(site, "x" * 5000).status_code == 413
