from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("structlog", reason="needs the extra `web`")

import structlog

from fakes.asgi import Records, answering, call, raising
from fakes.samples import every
from infra_runtime import web
from infra_runtime.web import logs
from infra_runtime.web.asgi import Application, Receive, Scope, Send

SECRET = "the secret of the tests, with more than 32 bytes"


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """Undo the configuration of the log."""
    level = logging.getLogger().level
    yield
    logs.remove_handler()
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def settings(tmp_path: Any) -> dict[str, Any]:
    return {"log_file": tmp_path / "log.jsonl", "log_format": "json"}


def layers(app: Any) -> Iterator[str]:
    """Yield the names of the middleware, the outer ones first."""
    while hasattr(app, "app"):
        yield type(app).__name__
        app = app.app


def test_the_middleware_has_the_documented_order() -> None:
    names = list(layers(web.application(answering(), web.WebSettings())))

    assert names == [
        *("Cors", "Measurement"),
        *("Recovery", "Tracing", "Timeout", "MetaInject", "Alerting", "Logger", "ErrorHandler"),
        *("Endpoints", "BodyLimit"),
    ]


def test_the_settings_add_middleware_in_the_documented_order() -> None:
    settings = web.WebSettings(jwt_secret=SECRET, rate_limit=10, session_seconds=60)

    names = list(layers(web.application(answering(), settings)))

    assert names[8:] == ["ErrorHandler", "Endpoints", "RateLimit", "BodyLimit", "Authentication", "Sessions"]


def test_a_request_passes_all_middleware(settings: dict[str, Any]) -> None:
    configured = web.WebSettings(
        **settings, jwt_secret=SECRET, rate_limit=10, session_seconds=60, cors_origins=("https://a.example",)
    )
    metrics = web.Metrics()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        actor = web.require("orders:write")
        web.session()["user"] = actor.id
        await answering(201)(scope, receive, send)

    tokens = web.Tokens.from_settings(configured)
    assert tokens
    token = tokens.issue(web.Actor(id="ada", roles=frozenset({"clerk"}))).access
    composed = web.application(app, configured, roles={"clerk": ["orders:write"]}, metrics=metrics)

    headers = [("authorization", f"Bearer {token}"), ("origin", "https://a.example")]
    response = call(composed, "/orders", method="POST", headers=headers)

    assert response.status == 201
    assert {"x-request-id", "ratelimit-remaining", "set-cookie", "access-control-allow-origin"} <= set(
        response.headers
    )
    assert metrics.registry.get_sample_value("http_requests_total", {"method": "POST", "status": "201"}) == 1


@pytest.mark.parametrize(
    ("app", "status"), [(raising(KeyError()), 500), (raising(LookupError("no such order")), 404)]
)
def test_errors_are_problems_for_the_scripts_of_allowed_origins(
    settings: dict[str, Any], app: Application, status: int
) -> None:
    configured = web.WebSettings(**settings, cors_origins=("https://a.example",), alert_interval=0)
    composed = web.application(app, configured, statuses={LookupError: 404, KeyError: 500})

    response = call(composed, headers=[("origin", "https://a.example")])

    assert (response.status, response.headers["content-type"]) == (status, "application/problem+json")
    assert response.headers["access-control-allow-origin"] == "https://a.example"
    assert response.json["request_id"] == response.headers["x-request-id"]


def test_a_failure_is_logged_with_the_ids_of_the_request(settings: dict[str, Any]) -> None:
    composed = web.application(raising(KeyError("x")), web.WebSettings(**settings))

    response = call(composed)

    text = settings["log_file"].read_text(encoding="utf-8")
    assert response.status == 500
    assert [line for line in text.splitlines() if response.json["request_id"] not in line] == []
    assert "KeyError" in text


def test_the_readiness_has_the_results_of_the_checks(settings: dict[str, Any]) -> None:
    async def check() -> None:
        raise ConnectionError

    composed = web.application(answering(), web.WebSettings(**settings, version="7"), checks={"nats": check})

    response = call(composed, "/ready")

    assert (response.status, response.json["version"]) == (503, "7")
    assert response.json["checks"]["nats"]["status"] == "fail"


def test_the_paths_for_operation_are_outside_of_the_rate_limit(settings: dict[str, Any]) -> None:
    composed = web.application(answering(), web.WebSettings(**settings, rate_limit=1))

    assert [call(composed, "/health").status for _ in range(3)] == [200] * 3


@pytest.mark.parametrize(
    ("environment", "style"), [("production", "json"), ("staging", "json"), ("development", "console")]
)
def test_the_format_of_the_log_depends_on_the_environment(
    records: Records, tmp_path: Any, environment: Any, style: str
) -> None:
    file = tmp_path / "x.log"
    app = web.application(answering(), web.WebSettings(environment=environment, log_file=file))
    call(app, "/orders")

    assert file.read_text(encoding="utf-8").startswith("{") == (style == "json")


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="applicaton"):
        web.applicaton  # type: ignore[attr-defined] # noqa: B018 - it must not exist


@every(web.__all__)
def test_each_public_name_can_be_imported(name: str) -> None:
    assert getattr(web, name)
