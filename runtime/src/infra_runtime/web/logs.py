"""Structured logs: JSON or lines for a terminal, and the middleware that logs each request.

The records of loggers of the standard library have the same format. A record that is written during a request
contains the ids of the request.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any, Literal, TextIO, TypeAlias

import structlog
from structlog.types import EventDict, Processor

from infra_runtime.redaction import MASK, is_secret_name, masked_text
from infra_runtime.web import context
from infra_runtime.web.asgi import (
    REQUESTS,
    Application,
    Receive,
    ResponseProgress,
    Scope,
    Send,
    client_address,
    local_path,
)

Level: TypeAlias = Literal["debug", "info", "warning", "error", "critical"]
#: paths that programs request every few seconds; their requests are logged with the level `debug`, unless
#: they fail
QUIET_PATHS = frozenset({"/health", "/ready", "/metrics"})
#: the largest number of characters of a text in a record, before control characters are escaped; longer texts
#: are cut, except tracebacks
MAX_TEXT = 4096
#: the largest depth of nested values; deeper values are replaced by `…`, except numbers, booleans and None
MAX_DEPTH = 6

log = structlog.get_logger("infra.web")

#: the characters that are escaped: line breaks, control characters, marks for the direction of text, and
#: surrogates, which UTF-8 cannot encode
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def configure_logging(
    *, level: Level = "info", style: Literal["json", "console"] = "json", file: Path | None = None
) -> None:
    """Write the records of structlog and of the standard library to standard output or to a file.

    The file is opened again after a rotation by another program. A second call replaces the handler of the
    first call. `set_level` changes the level at run time.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_ids,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        clean,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False, default=repr)
        if style == "json"
        else structlog.dev.ConsoleRenderer(
            colors=file is None and sys.stdout.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # the traceback is already a string
        )
    )
    handler = WatchedFileHandler(file, encoding="utf-8") if file else StandardOutputHandler()
    handler.set_name(__name__)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    remove_handler()
    logging.getLogger().addHandler(handler)
    # uvicorn has its own handlers. Its lines about requests are suppressed, because `Logger` writes a record
    # of each request.
    for name, propagates in (("uvicorn", True), ("uvicorn.access", False)):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = propagates
    set_level(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


class StandardOutputHandler(logging.StreamHandler[TextIO]):
    """Writes to the current `sys.stdout`, because pytest replaces this stream in each test and closes it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override] # as in the standard library's handler of last resort
        """The current standard output."""
        return sys.stdout


def remove_handler() -> None:
    """Remove the handler of `configure_logging`, and close its file."""
    root = logging.getLogger()
    for handler in [existing for existing in root.handlers if existing.get_name() == __name__]:
        root.removeHandler(handler)
        handler.close()


def set_level(level: Level) -> None:
    """Set the lowest level of the records that are written; a logger with its own level keeps that level."""
    logging.getLogger().setLevel(level.upper())


def current_level() -> str:
    """Return the lowest level of the records that are written."""
    return logging.getLevelName(logging.getLogger().getEffectiveLevel()).lower()


def _add_ids(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {**context.ids(), **event}


def clean(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Return a record in which control characters are escaped, secrets are masked, and long texts are cut.

    A traceback keeps its line breaks; each of its lines is indented, so that a line in the text of an
    exception cannot look like a record.
    """
    internal = {name: value for name, value in event.items() if name.startswith("_")}
    traceback = event.get("exception")
    cleaned = {
        _escaped(name): _clean_value(name, value, 0)
        for name, value in event.items()
        if name not in internal and name != "exception"
    }
    if traceback is not None:
        lines = masked_text(str(traceback)).split("\n")
        cleaned["exception"] = "\n".join(f"    {_escaped(line)}" for line in lines)
    return {**internal, **cleaned}


def _clean_value(name: str, value: Any, depth: int) -> Any:
    if is_secret_name(name) and value is not None:
        return MASK
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth == MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        items = [(str(key), item) for key, item in value.items()]
        return {_escaped(key): _clean_value(key, item, depth + 1) for key, item in items}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean_value("", item, depth + 1) for item in value]
    text = masked_text(value if isinstance(value, str) else repr(value))
    return _escaped(text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…")


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


class Logger:
    """Logs each request when it ends: method, path, status, duration in seconds, and bytes of the response.

    The record also contains the outcome (`done`, or the class of the exception), and the address of the
    client. The status is 0 if no response has started, even if `Recovery` answers 500 afterwards. The query
    and the headers are not logged, because they can contain secrets.
    """

    def __init__(self, app: Application, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self.app, self._clock = app, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, and log the request at its end."""
        if scope["type"] not in REQUESTS:
            await self.app(scope, receive, send)
            return
        response = ResponseProgress(send)
        start = self._clock()
        outcome = "failed"
        try:
            await self.app(scope, receive, response.send)
            outcome = "done"
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            failed = outcome != "done" or response.status >= 500
            usual = logging.DEBUG if local_path(scope) in QUIET_PATHS else logging.INFO
            log.log(
                logging.ERROR if failed else usual,
                "request",
                method=scope.get("method", "WEBSOCKET"),
                path=scope["path"],
                status=response.status,
                outcome=outcome,
                seconds=round(self._clock() - start, 6),
                bytes=response.size,
                client=client_address(scope),
            )
