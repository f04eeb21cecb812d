"""The settings of the middleware, from the arguments and the environment variables `WEB_…`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra_runtime.web.logs import Level


class WebSettings(BaseSettings):
    """Settings with defaults that are safe in production.

    The variable of a setting is its name in upper case after `WEB_`, such as `WEB_TIMEOUT`. A list is JSON.
    """

    model_config = SettingsConfigDict(
        env_prefix="WEB_", frozen=True, extra="forbid", populate_by_name=True, env_ignore_empty=True
    )

    #: the version of the application, for `/health` and `/ready`
    version: str = "0"
    #: `WEB_ENVIRONMENT`, or else `INFRA_ENV`, which the supervisor sets
    environment: Literal["development", "test", "staging", "production"] = Field(
        default="production", validation_alias=AliasChoices("WEB_ENVIRONMENT", "INFRA_ENV")
    )

    #: the time limit in seconds for the start of a response
    timeout: float = Field(default=30.0, gt=0)
    #: the largest size of the body of a request in bytes
    max_body: int = Field(default=1_000_000, ge=0)
    #: the time limit in seconds for the check of a dependency
    check_timeout: float = Field(default=2.0, gt=0)
    #: the shortest time in seconds between two alerts about the same kind of failure
    alert_interval: float = Field(default=60.0, ge=0)

    log_level: Level = "info"
    #: `auto` is `json` in staging and production, and `console` in development and tests
    log_format: Literal["auto", "json", "console"] = "auto"
    #: the file for the log; standard output if unset
    log_file: Path | None = None

    #: the token for `/metrics` and `/debug/…`; if it is unset, `/metrics` is public, and `/debug/…` exists
    #: only in development and tests, where it is public, too
    operations_token: SecretStr | None = Field(default=None, min_length=16)

    #: the secret for HS256, HS384 or HS512, of at least 32, 48 or 64 bytes
    jwt_secret: SecretStr | None = None
    #: the PEM keys for the other algorithms; a program that only verifies tokens needs no private key
    jwt_private_key: SecretStr | None = None
    jwt_public_key: str | None = None
    #: earlier secrets and public keys, which only verify tokens
    jwt_former_secrets: tuple[SecretStr, ...] = ()
    jwt_former_public_keys: tuple[str, ...] = ()
    #: the allowed algorithms, all for the same type of key; new tokens use the first algorithm
    jwt_algorithms: tuple[str, ...] = ("HS256",)
    jwt_issuer: str = "app"
    jwt_audience: str = "app"
    #: the seconds after which a token expires
    jwt_access_seconds: int = Field(default=900, gt=0)
    jwt_refresh_seconds: int = Field(default=1_209_600, gt=0)

    #: the largest number of requests per client within `rate_period` seconds; 0: no limit
    rate_limit: int = Field(default=0, ge=0)
    rate_period: float = Field(default=60.0, gt=0)

    #: the seconds after its last use after which a session expires; 0: no sessions
    session_seconds: int = Field(default=0, ge=0)
    #: whether the session cookie is sent only over HTTPS; set it to false only in development without HTTPS,
    #: for browsers that do not accept secure cookies on localhost
    session_secure: bool = True

    #: the origins of other web sites whose scripts may read responses; `*` means every origin
    cors_origins: tuple[str, ...] = ()
    cors_methods: tuple[str, ...] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    cors_headers: tuple[str, ...] = ("authorization", "content-type", "x-correlation-id")
    #: whether scripts of these origins may send cookies
    cors_credentials: bool = False
    #: the seconds for which a browser may cache the answer to a preflight request
    cors_max_age: int = Field(default=600, ge=0)

    #: the file of the audit log
    audit_file: Path | None = None
    #: the key for the hashes of the audit log; without a key, a program that can write the file can forge
    #: entries
    audit_key: SecretStr | None = Field(default=None, min_length=16)

    @property
    def production_like(self) -> bool:
        """Whether this is staging or production: JSON logs, no profiles, no reasons in `/ready`."""
        return self.environment in {"staging", "production"}

    @model_validator(mode="after")
    def _check_cors(self) -> Self:
        if self.cors_credentials and "*" in self.cors_origins:
            raise ValueError("cors_credentials requires a list of origins in cors_origins, instead of `*`")
        return self
