"""Middleware and security for ASGI applications, such as applications of Starlette and FastAPI.

    from infra_runtime import web

    app = web.application(app, web.WebSettings(version="1.4"))

A public name is imported at its first use, because some names, such as the audit log, do not need the extra
`web`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers recognise this name, as in `infra_runtime`

if TYPE_CHECKING:
    from infra_runtime.web.access import Actor, ActorKind, current_actor, require
    from infra_runtime.web.alerting import Alert
    from infra_runtime.web.asgi import Application
    from infra_runtime.web.audit import AuditLog
    from infra_runtime.web.composition import application
    from infra_runtime.web.context import continued, outgoing_headers
    from infra_runtime.web.logs import configure_logging, set_level
    from infra_runtime.web.metrics import Metrics
    from infra_runtime.web.problems import ProblemError
    from infra_runtime.web.sessions import session
    from infra_runtime.web.settings import WebSettings
    from infra_runtime.web.storage import MemoryStorage, ValkeyStorage
    from infra_runtime.web.tokens import Keys, TokenPair, Tokens

__all__ = [
    "Actor",
    "ActorKind",
    "Alert",
    "Application",
    "AuditLog",
    "Keys",
    "MemoryStorage",
    "Metrics",
    "ProblemError",
    "TokenPair",
    "Tokens",
    "ValkeyStorage",
    "WebSettings",
    "application",
    "configure_logging",
    "continued",
    "current_actor",
    "outgoing_headers",
    "require",
    "session",
    "set_level",
]

#: public name → the module that defines it
_MODULES = {
    "Actor": "access",
    "ActorKind": "access",
    "Alert": "alerting",
    "Application": "asgi",
    "AuditLog": "audit",
    "Keys": "tokens",
    "MemoryStorage": "storage",
    "Metrics": "metrics",
    "ProblemError": "problems",
    "TokenPair": "tokens",
    "Tokens": "tokens",
    "ValkeyStorage": "storage",
    "WebSettings": "settings",
    "application": "composition",
    "configure_logging": "logs",
    "continued": "context",
    "current_actor": "access",
    "outgoing_headers": "context",
    "require": "access",
    "session": "sessions",
    "set_level": "logs",
}
#: the modules of the extra `web` that this package imports
_LIBRARIES = frozenset({"joserfc", "prometheus_client", "structlog"})


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name in _LIBRARIES:
            error.msg = f"{error.msg}: run `python -m pip install 'pytest-infra[web]'`"
        raise
