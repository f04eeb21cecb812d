from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("structlog", reason="needs the extra `web`")

from fakes.asgi import Records, Response, answering, call
from infra_runtime.web import logs
from infra_runtime.web.endpoints import Endpoints
from infra_runtime.web.health import Health
from infra_runtime.web.metrics import Metrics
from infra_runtime.web.middleware import ErrorHandler

TOKEN = "operations-token-of-the-test"
APPLICATION = b"the application"
DEBUG = ("/debug/profile", "/debug/memory", "/debug/log-level")


def get(path: str, *, token: str = "", production: bool = False, **options: Any) -> Response:
    health = Health({}, version="1.4")
    app = Endpoints(
        answering(body=APPLICATION), health=health, metrics=Metrics(), token=token, production=production
    )
    return call(ErrorHandler(app), path, **options)


def bearer(token: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")]


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_health_and_readiness_have_the_same_keys(path: str) -> None:
    response = get(path)

    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    assert response.json == {"status": "pass", "version": "1.4", "checks": {}}
    assert response.headers["cache-control"] == "no-store"


def test_metrics_are_in_the_format_of_prometheus() -> None:
    assert b"# TYPE http_requests_total counter" in get("/metrics").body


def test_the_paths_are_below_the_path_of_a_mounted_application() -> None:
    assert get("/shop/health", root_path="/shop").json["status"] == "pass"


def test_another_path_reaches_the_application() -> None:
    assert get("/orders").body == APPLICATION


@pytest.mark.parametrize("path", ["/metrics", *DEBUG])
@pytest.mark.parametrize("headers", [[], bearer("wrong"), bearer(TOKEN) * 2, [("authorization", TOKEN)]])
def test_a_protected_path_needs_the_token(path: str, headers: list[tuple[str, str]]) -> None:
    assert get(path, token=TOKEN, headers=headers).status == 401


def test_the_token_opens_a_protected_path() -> None:
    assert get("/metrics", token=TOKEN, headers=bearer(TOKEN)).status == 200


@pytest.mark.parametrize("path", DEBUG)
def test_in_production_the_debug_paths_do_not_exist(path: str) -> None:
    assert get(path, production=True).body == APPLICATION


@pytest.mark.parametrize("path", DEBUG[:2])
def test_in_production_profiles_do_not_exist_even_with_the_token(path: str) -> None:
    assert get(path, production=True, token=TOKEN, headers=bearer(TOKEN)).body == APPLICATION


def test_the_level_of_the_log_is_changed_with_the_token(records: Records) -> None:
    options: dict[str, Any] = {"production": True, "token": TOKEN, "headers": bearer(TOKEN)}

    changed = get("/debug/log-level?level=error", method="PUT", **options)

    assert changed.body == b"error\n"
    assert logs.current_level() == "error"
    assert get("/debug/log-level", **options).body == b"error\n"


def test_an_unknown_level_is_refused(records: Records) -> None:
    assert get("/debug/log-level?level=loud", method="PUT").status == 422
    assert logs.current_level() == "debug"


@pytest.mark.parametrize("seconds", ["0", "-1", "21", "nan", "inf", "x", "1e9"])
@pytest.mark.parametrize("path", DEBUG[:2])
def test_the_duration_of_a_profile_is_limited(path: str, seconds: str) -> None:
    assert get(f"{path}?seconds={seconds}").status == 422


def test_a_path_for_operation_is_read_only() -> None:
    response = get("/health", method="POST")

    assert (response.status, response.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", DEBUG[:2])
def test_a_profile_has_the_lines_of_the_code(path: str) -> None:
    response = get(f"{path}?seconds=0.001")

    assert response.status == 200
    assert b".py" in response.body
