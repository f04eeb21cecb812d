"""The level of a log line, by the words that servers and libraries write."""

from __future__ import annotations

import re

#: level → the smallest level that a filter with this name shows
LEVELS = ("debug", "info", "warn", "error")
#: characters at the beginning of a line in which the level is searched
SEARCHED = 256
_ESCAPES = re.compile(r"\x1b\[[0-9;:]*m")
# Sources: the formats of NATS (`[ERR]`), PostgreSQL (`LOG:`), Valkey (`#` and `*` are not used), Go's slog
# (`level=INFO`), structlog and Python's logging (`ERROR`), zap (`"level":"error"`).
_WORDS = re.compile(
    r"(?:^|[\s\[(|=:\"'])(?:"
    r"(?P<error>PANIC|FATAL|CRITICAL|CRIT|EMERG|ALERT|ERROR|ERR|panic|fatal|critical|error|Traceback|Error)"
    r"|(?P<warn>WARNING|WARN|WRN|warning|warn|Warning)"
    r"|(?P<info>INFO|INF|LOG|NOTICE|STATEMENT|info|notice)"
    r"|(?P<debug>DEBUG\d?|DBG|TRACE|TRC|debug|trace)"
    r")(?=$|[\s\])|:,\"'])"
)


def level_of(text: str) -> str:
    """Return `error`, `warn`, `info` or `debug`; empty if the line names no level."""
    match = _WORDS.search(_ESCAPES.sub("", text[:SEARCHED]))
    return (match.lastgroup or "") if match else ""


def is_at_least(level: str, least: str) -> bool:
    """Return whether a level is shown by a filter. A line without a level is shown if `least` is empty."""
    return not least or (bool(level) and LEVELS.index(level) >= LEVELS.index(least))
