"""Parse a line of a log: its level, its ids, its message and its other fields.

A line is JSON (structlog, zap, pino, MongoDB, Caddy), logfmt (Prometheus), the format of structlog for
terminals (`infra_runtime.web` in development), or text. The level of a text is found in the formats of common
servers and logging libraries: `ERROR: …` (PostgreSQL), `[ERR]` (NATS), `[error]` (RabbitMQ, nginx), `# …`
after the time (Valkey), `E0501 …` (glog), `Traceback …` (Python).
"""

from __future__ import annotations

import ast
import functools
import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

#: the levels, the lowest level first
LEVELS = ("debug", "info", "warning", "error", "critical")

_NAMES: Mapping[str, tuple[str, ...]] = {
    "debug": ("trace", "trc", "debug", "dbg", "verbose", "noise", "fine"),
    "info": ("info", "inf", "information", "informational", "log", "notice", "note"),
    "warning": ("warning", "warn", "wrn"),
    "error": ("error", "err", "eror", "severe"),
    "critical": ("critical", "crit", "fatal", "ftl", "panic", "dpanic", "emerg", "emergency", "alert"),
}
#: name of a level in a log, in lower case → level
_LEVEL: Mapping[str, str] = {name: level for level, names in _NAMES.items() for name in names}
#: the first letter of a level in MongoDB and glog, and the character in Valkey → level
_LETTER: Mapping[str, str] = {
    "D": "debug",
    "I": "info",
    "W": "warning",
    "E": "error",
    "F": "critical",
    ".": "debug",
    "-": "debug",
    "*": "info",
    "#": "warning",
}
#: the keys in structured lines; the first existing key is used, for the ids every existing key
_LEVEL_KEYS = ("level", "severity", "levelname", "lvl", "log.level", "s")
_TIME_KEYS = ("timestamp", "time", "ts", "@timestamp", "t")
_MESSAGE_KEYS = ("event", "msg", "message", "body")
_ID_KEYS = (
    *("correlation_id", "correlationId", "correlation-id", "x-correlation-id"),
    *("request_id", "requestId", "request-id", "x-request-id", "trace_id", "traceId", "trace.id"),
)
#: the number of characters at the beginning of a text that are searched for the level, and the maximum number
#: of characters of a line that is parsed as logfmt or in the format of structlog
_HEAD, _LONGEST_LOGFMT = 160, 16_384
#: the pattern of an escape sequence of terminals. Source: ECMA-48, control sequences
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_WORDS = "|".join(sorted(_LEVEL, key=len, reverse=True))
_INITIALS = "".join(sorted({name[0] for name in _LEVEL}))
#: The first group excludes most positions of a text. Without this group, the search takes twice the time.
_TEXT_LEVEL = re.compile(
    rf"(?=[\[{_INITIALS}{_INITIALS.upper()}])(?:"
    rf"\[\s*(?P<bracket>(?i:{_WORDS}))\d?\s*\]"
    rf"|(?<![\w/.-])(?P<word>{_WORDS.upper()})\d?(?=[:\s|\]-]|$)"
    rf"|^(?P<start>(?i:{_WORDS}))\s*:)"
)
_LETTER_LEVEL = re.compile(
    r"(?P<letter>[IWEF])\d{4} \d\d:\d\d:\d\d"
    r"|\d+:[XCSM] \d{2} \w{3} \d{4} \d\d:\d\d:\d\d[.\d]* (?P<sign>[.*#-]) "
)
#: the first line of a traceback. Source: Python's manual, "traceback"
TRACEBACK = "Traceback (most recent call last):"
#: a pattern for the first line of a traceback, and for its last line if the name of the exception ends with
#: `Error` or `Exception`
PYTHON_ERROR = re.compile(rf"{re.escape(TRACEBACK)}|(?:\w+\.)*\w*(?:Error|Exception)(?::|$)")
#: a pattern for the last line of a traceback with another exception, such as `shop.CardDeclined: no credit`
_EXCEPTION = re.compile(r"(?:[A-Za-z_]\w*\.)+[A-Z]\w*(?::\s|:?$)")
#: a pattern for further lines of a message of PostgreSQL; it matches after the time and the process id
_DETAIL = re.compile(r"(?<!\w)(?:DETAIL|HINT|STATEMENT|CONTEXT|QUERY|LOCATION):  ")
#: the time and the level, and the logger after the message. Source: structlog documentation, "Console Output"
_CONSOLE = re.compile(r"(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) \[([a-z]+) *\] ")
_CONSOLE_LOGGER = re.compile(r" \[([\w.-]+)\](?= [\w.@-]+=|$)")
_CONSOLE_PAIR = re.compile(r"""(?<![\w.@-])([\w.@-]+)=('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S*)""")
#: The first group excludes positions inside a word. Without this group, the search takes quadratic time.
_LOGFMT = re.compile(r'(?<![\w.@-])([A-Za-z_@][\w.@-]*)=("(?:[^"\\]|\\.)*"|\S*)')

#: parts of the names of the levels `error` and `critical`, of the first line of an exception, and of
#: escape sequences
_ERROR_WORDS = (
    *(b"err", b"eror", b"severe", b"crit", b"fatal", b"ftl", b"panic", b"emerg", b"alert"),
    *(b"exception", b"traceback", b"\\u", b"\x1b"),
)
#: the numbers and letters of these levels in JSON and logfmt, and the letters in glog
_ERROR_SIGNS = re.compile(rb""""\s*:\s*(?:"[EF].?"|[56]\d)|="?[EF].?(?:["\s]|$)|^[EF]\d{4} """, re.MULTILINE)

_Format = Literal["json", "logfmt", "console", "text"]


class Record(NamedTuple):
    """The parsed content of a line; a field is empty if the line does not contain it."""

    #: one of `LEVELS`, or empty if it is unknown
    level: str = ""
    #: the Unix time that the line contains; None without a time, and in the format `text`
    time: float | None = None
    #: the message of a structured line; in the format `text`, the whole line without escape sequences of
    #: terminals
    message: str = ""
    #: the ids that connect lines of several services, the correlation id first
    ids: tuple[str, ...] = ()
    #: the fields except level, time and message, so including the ids; empty in the format `text`
    fields: Mapping[str, Any] = {}
    format: _Format = "text"
    #: whether the line continues the message of the line before it, such as a line of a traceback
    continues: bool = False


def parse(text: str) -> Record:
    """Return the parsed content of a line, which can be any text."""
    text = _plain(text)
    fields, name = _structure(text)
    if fields is not None:
        return _structured(fields, name)
    head = text[:_HEAD]
    if text[:1].isspace() or not text or (":  " in head and _DETAIL.search(head)):
        return Record(message=text, continues=True)
    level = _text_level(head)
    return Record(level=level, message=text, continues=not level and _EXCEPTION.match(text) is not None)


def fields_of(text: str) -> dict[str, Any] | None:
    """Return all fields of a line in JSON, logfmt or the format of structlog; None for other lines."""
    return _structure(_plain(text))[0]


def may_be_error(block: bytes) -> bool:
    """Return whether a block of a log can contain a line with the level `error` or `critical`.

    The result can be True for a block without such a line. The search takes a hundredth of the time for
    parsing the lines.
    """
    folded = block.lower()
    return any(word in folded for word in _ERROR_WORDS) or _ERROR_SIGNS.search(block) is not None


def _structure(text: str) -> tuple[dict[str, Any] | None, _Format]:
    """Return the fields of a line, and the name of its format; None and `text` for unstructured lines."""
    name: _Format
    if text.startswith("{"):
        fields, name = _json_fields(text), "json"
    elif (fields := _logfmt_fields(text)) is not None:
        name = "logfmt"
    else:
        fields, name = _console_fields(text), "console"
    return fields, "text" if fields is None else name


def _plain(text: str) -> str:
    return _ANSI.sub("", text) if "\x1b" in text else text


@functools.cache
def at_least(level: str) -> frozenset[str]:
    """Return the set of a level and all higher levels."""
    return frozenset(LEVELS[LEVELS.index(level) :])


def _text_level(head: str) -> str:
    if match := _LETTER_LEVEL.match(head):
        return _LETTER[match["letter"] or match["sign"]]
    if match := _TEXT_LEVEL.search(head):
        return _LEVEL[(match["bracket"] or match["word"] or match["start"]).lower()]
    return "error" if PYTHON_ERROR.match(head) else ""


def _json_fields(text: str) -> dict[str, Any] | None:
    try:
        fields = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _finite(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


#: `json.loads` with these parameters would create a decoder for each line.
_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=str)


def _logfmt_fields(text: str) -> dict[str, Any] | None:
    if not _LOGFMT.match(text) or len(text) > _LONGEST_LOGFMT:
        return None
    fields = {key: _unquoted(value) for key, value in _LOGFMT.findall(text)}
    # A single pair does not make a line logfmt: any text can begin with a pair.
    return fields if not fields.keys().isdisjoint((*_LEVEL_KEYS, *_MESSAGE_KEYS)) else None


def _console_fields(text: str) -> dict[str, Any] | None:
    if not (head := _CONSOLE.match(text)) or len(text) > _LONGEST_LOGFMT:
        return None
    if not (logger := _CONSOLE_LOGGER.search(text, head.end() - 1)):
        return None
    fields: dict[str, Any] = {
        key: _evaluated(value) for key, value in _CONSOLE_PAIR.findall(text, logger.end())
    }
    message = text[head.end() : logger.start()].rstrip()
    return fields | {"timestamp": head[1], "level": head[2], "event": message, "logger": logger[1]}


def _evaluated(value: str) -> str:
    """Return the value of a pair in structlog's format, without the quotes and escapes of a Python string."""
    if not value.startswith(("'", '"')):
        return value
    try:
        return str(ast.literal_eval(value))
    except (ValueError, SyntaxError):
        return value


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value.strip('"')


def _structured(fields: dict[str, Any], line_format: _Format) -> Record:
    level = _level(_taken(fields, _LEVEL_KEYS))
    time = _moment(_taken(fields, _TIME_KEYS))
    message = _taken(fields, _MESSAGE_KEYS)
    ids = tuple(dict.fromkeys(str(fields[key]) for key in _ID_KEYS if fields.get(key)))
    return Record(
        level=level,
        time=time,
        message=message if isinstance(message, str) else "" if message is None else json.dumps(message),
        ids=ids,
        fields=fields,
        format=line_format,
    )


def _taken(fields: dict[str, Any], keys: tuple[str, ...]) -> Any:
    """Remove the first of `keys` that `fields` contains, and return its value; None if it contains none."""
    return next((fields.pop(key) for key in keys if key in fields), None)


def _level(value: Any) -> str:
    """Return the level for a name, for a letter of MongoDB, or for a number of pino and bunyan.

    Source: pino's documentation, "Level": 10 is trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal.
    """
    if isinstance(value, str):
        return _LEVEL.get(value.lower(), "") or _LETTER.get(value[:1] if len(value) < 3 else "", "")
    if isinstance(value, int | float) and 10 <= value < 70:
        return ("debug", *LEVELS)[int(value) // 10 - 1]
    return ""


def _moment(value: Any) -> float | None:
    """Return the Unix time in a number (in seconds or a smaller unit), in ISO 8601, or in a MongoDB date."""
    if isinstance(value, Mapping):
        value = value.get("$date")
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value).timestamp()
        except (ValueError, OverflowError, OSError):
            pass
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e20:
        return None
    unit = next(unit for limit, unit in ((1e11, 1), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9)) if value < limit)
    return value / unit
