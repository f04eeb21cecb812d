"""The function that nests an ASGI application in the middleware, in the right order."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Collection, Mapping

from infra_runtime.web.access import Authentication
from infra_runtime.web.alerting import Alert, Alerting, log_alert
from infra_runtime.web.asgi import Application
from infra_runtime.web.cors import Cors
from infra_runtime.web.endpoints import Endpoints
from infra_runtime.web.health import Check, Health
from infra_runtime.web.limits import BodyLimit, RateLimit
from infra_runtime.web.logs import Logger, configure_logging
from infra_runtime.web.metrics import Measurement, Metrics
from infra_runtime.web.middleware import ErrorHandler, MetaInject, Recovery, Timeout
from infra_runtime.web.sessions import Sessions
from infra_runtime.web.settings import WebSettings
from infra_runtime.web.storage import MemoryStorage, Storage
from infra_runtime.web.tokens import Tokens
from infra_runtime.web.tracing import Tracing


def application(
    app: Application,
    settings: WebSettings | None = None,
    *,
    checks: Mapping[str, Check] | None = None,
    roles: Mapping[str, Collection[str]] | None = None,
    statuses: Mapping[type[Exception], int] | None = None,
    tokens: Tokens | None = None,
    storage: Storage | None = None,
    metrics: Metrics | None = None,
    notify: Callable[[Alert], Awaitable[None]] = log_alert,
) -> Application:
    """Return an ASGI application with the middleware, and configure the log.

    `checks` maps dependencies to their checks for `/ready`, `roles` maps roles to permissions, and `statuses`
    maps classes of exceptions to HTTP statuses. If they are None, `tokens` is created from the settings,
    `storage` is a `MemoryStorage`, and `metrics` is a new `Metrics`. Requests pass through the middleware in
    this order; Authentication is left out without tokens, RateLimit and Sessions if their setting is 0:

    Cors, Measurement, Recovery, Tracing, Timeout, MetaInject, Alerting, Logger, ErrorHandler, Endpoints,
    RateLimit, BodyLimit, Authentication, Sessions.
    """
    settings = settings or WebSettings()
    storage = storage or MemoryStorage()
    tokens = tokens or Tokens.from_settings(settings, storage)
    metrics = metrics or Metrics()
    set_up_logging(settings)

    if settings.session_seconds:
        app = Sessions(app, storage=storage, seconds=settings.session_seconds, secure=settings.session_secure)
    if tokens:
        app = Authentication(app, verify=functools.partial(tokens.actor, roles=roles or {}))
    app = BodyLimit(app, max_bytes=settings.max_body)
    if settings.rate_limit:
        app = RateLimit(app, storage=storage, limit=settings.rate_limit, period=settings.rate_period)
    app = Endpoints(
        app,
        health=Health(
            checks or {},
            version=settings.version,
            deadline=settings.check_timeout,
            reasons=not settings.production_like,
        ),
        metrics=metrics,
        token=settings.operations_token.get_secret_value() if settings.operations_token else "",
        production=settings.production_like,
    )
    app = ErrorHandler(app, statuses=statuses)
    app = Logger(app)
    app = Alerting(app, notify=notify, interval=settings.alert_interval)
    app = MetaInject(app)
    app = Timeout(app, seconds=settings.timeout)
    app = Tracing(app)
    app = Recovery(app)
    app = Measurement(app, metrics=metrics)
    return Cors(
        app,
        origins=settings.cors_origins,
        methods=settings.cors_methods,
        headers=settings.cors_headers,
        credentials=settings.cors_credentials,
        max_age=settings.cors_max_age,
    )


def set_up_logging(settings: WebSettings) -> None:
    """Configure the log with the level, the format and the file in the settings."""
    style = settings.log_format
    if style == "auto":
        style = "json" if settings.production_like else "console"
    configure_logging(level=settings.log_level, style=style, file=settings.log_file)
