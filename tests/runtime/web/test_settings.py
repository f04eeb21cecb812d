from __future__ import annotations

import pytest

pytest.importorskip("structlog", reason="needs the extra `web`")

from pydantic import ValidationError

from fakes.samples import every
from infra_runtime.web.settings import WebSettings


def test_the_defaults_are_those_of_production() -> None:
    settings = WebSettings()

    assert settings.environment == "production"
    assert settings.production_like
    assert settings.session_secure
    assert settings.cors_origins == ()


@pytest.mark.parametrize("name", ["INFRA_ENV", "WEB_ENVIRONMENT"])
def test_the_environment_is_that_of_the_stack(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "development")

    assert not WebSettings().production_like


def test_the_variables_of_the_middleware_have_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFRA_ENV", "development")
    monkeypatch.setenv("WEB_ENVIRONMENT", "production")
    monkeypatch.setenv("WEB_TIMEOUT", "2.5")
    monkeypatch.setenv("WEB_CORS_ORIGINS", '["https://shop.example"]')

    settings = WebSettings()

    assert settings.production_like
    assert (settings.timeout, settings.cors_origins) == (2.5, ("https://shop.example",))


@every(
    [
        {"timeout": 0},
        {"operations_token": "short"},
        {"audit_key": ""},
        {"log_level": "loud"},
        {"environment": "prod"},
        {"cors_origins": ("*",), "cors_credentials": True},
        {"rate_limit": -1},
        {"unknown": 1},
    ]
)
def test_a_value_that_is_not_safe_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        WebSettings.model_validate(values)


def test_secrets_are_not_printed() -> None:
    settings = WebSettings.model_validate({"jwt_secret": "hunter2" * 10, "audit_key": "hunter2" * 10})

    assert "hunter2" not in repr(settings)
