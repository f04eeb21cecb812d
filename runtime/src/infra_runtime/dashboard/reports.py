"""The failure reports of tests: folders with `capsule.json`, which the pytest plugin writes.

A failure report can come from another machine, so its files can have any content. Symbolic links in a report
are not followed. A request contains the id of a report, and never a path.
"""

import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from infra_runtime.dashboard.traces import Waterfall, waterfall
from infra_runtime.data_directory.paths import plan_folders
from infra_runtime.data_directory.session_record import LATEST
from infra_runtime.host import disk
from infra_runtime.logs.files import LogFile
from infra_runtime.logs.index import NO_TIMES
from infra_runtime.logs.selection import Selection
from infra_runtime.message import Message, MessageError, data_of, decode
from infra_runtime.value import frozen

#: the largest number of reports in a list, and of lines of each log
REPORTS, LINES = 200, 1000
#: the largest number of bytes that are read: of a description, of a trace, and from the end of a log
_DESCRIPTION, _TRACE, _LOG = 4 << 20, 16 << 20, 256 << 10
#: the beginning of the folder names of imported reports
IMPORTED = "imported-"
#: the pattern of the descriptions of reports in a data directory
_PATTERN = "capsules/*/capsule.json"
#: the exceptions while a file with any content is read
NOT_READABLE = (OSError, ValueError, RecursionError, LookupError, TypeError, ArithmeticError)
#: the fields of a span whose values must be strings
_TEXTS = ("id", "parent", "name", "service")
#: level in `trace.json` → the severity number of OpenTelemetry
_SEVERITIES = {"info": 9, "warn": 13, "warning": 13, "error": 17, "fatal": 21, "critical": 21}


class ServiceState(Message):
    """The state of a service when the test failed."""

    name: str
    phase: str
    reason: str = ""
    restarts: int = 0


class StackState(Message):
    """The states of the services, or in `error` the reason why the states are unknown."""

    services: tuple[ServiceState, ...] = ()
    error: str = ""


class Description(Message):
    """The content of `capsule.json`: the description of a failed test."""

    test: str
    #: `setup`, `call` or `teardown`
    phase: str
    #: the start of the test in Unix seconds, and its duration in seconds
    began: float
    seconds: float
    failure: str
    trace: str = ""
    stack: StackState = field(default_factory=StackState)
    #: isolation unit → the file with the data of this unit, or the reason why the file is missing
    dumps: Mapping[str, str] = field(default_factory=dict)
    #: dotted key of a setting → its value with its source in parentheses
    settings: Mapping[str, str] = field(default_factory=dict)


@frozen
class Report:
    """A failure report: its id, its folder, and the description of the failed test."""

    id: str
    folder: Path
    description: Description

    @property
    def path(self) -> str:
        """The path of the folder as a string, in which bytes that are not UTF-8 are replaced."""
        return _shown(self.folder)

    @property
    def is_imported(self) -> bool:
        """Whether the report was imported from a file."""
        return self.folder.name.startswith(IMPORTED)

    @property
    def text(self) -> str:
        """The text that the filter of the page searches."""
        return f"{self.description.test} {self.exception} {self.description.phase}"

    @property
    def exception(self) -> str:
        """The first line of the last exception in the text of the failure; without one, the last line."""
        lines = [line.rstrip() for line in self.description.failure.splitlines() if line.strip()]
        marked = [
            line[1:].strip()
            for previous_line, line in zip(["", *lines], lines, strict=False)
            if line.startswith("E ") and not previous_line.startswith("E ")
        ]
        return (marked or lines or [""])[-1]

    @property
    def settings(self) -> dict[str, str]:
        """The settings whose values differ from the defaults."""
        settings = self.description.settings.items()
        return {key: text for key, text in settings if not text.endswith(("(default)", "(default in test)"))}


@frozen
class Listing:
    """The newest failure reports, the newest first."""

    reports: tuple[Report, ...]
    #: the number of all reports, and the number of unreadable reports among the newest `REPORTS` reports
    total: int
    damaged: int


@frozen
class LogPart:
    """The end of the log of a service during a test."""

    service: str
    #: the level and the text of each line
    lines: tuple[tuple[str, str], ...]
    #: the time (Unix seconds) and the level of each line that contains its time
    times: tuple[tuple[float, str], ...]
    #: the number of bytes of the log before these lines
    left_out: int


@frozen
class Content:
    """The logs and the trace of a failure report."""

    logs: tuple[LogPart, ...]
    trace: Waterfall | None
    #: the reason why the trace cannot be shown; empty without an error
    trace_problem: str


def listing(folders: Iterable[Path]) -> Listing:
    """Return the newest failure reports in data directories, and the number of damaged reports.

    An incomplete report counts as damaged.
    """
    paths = sorted(_descriptions(folders), key=_time, reverse=True)
    readable = [report for path in paths[:REPORTS] if (report := _report(path))]
    return Listing(
        reports=tuple(sorted(readable, key=lambda report: report.description.began, reverse=True)),
        total=len(paths),
        damaged=min(len(paths), REPORTS) - len(readable),
    )


def find(folders: Iterable[Path], name: str) -> Report | None:
    """Return the failure report with an id; None if it does not exist or cannot be read."""
    path = next((path for path in _descriptions(folders) if id_of(path.parent) == name), None)
    return _report(path) if path else None


def content(report: Report) -> Content:
    """Return the logs and the trace of a failure report."""
    logs = report.folder / "logs"
    paths = sorted(logs.glob("*.log")) if disk.is_folder(str(logs)) else []
    log_parts = [_log_part(path) for path in paths if disk.is_file(str(path))]
    trace, problem = _trace(report)
    return Content(
        logs=tuple(log_part for log_part in log_parts if log_part), trace=trace, trace_problem=problem
    )


def to_json(report: Report, content: Content) -> dict[str, Any]:
    """Return a failure report with its logs as JSON data."""
    test = report.description
    return {
        "id": report.id,
        "folder": report.path,
        "test": test.test,
        "phase": test.phase,
        "began": test.began,
        "seconds": test.seconds,
        "exception": report.exception,
        "failure": test.failure,
        "trace": test.trace,
        "services": [
            {
                "name": service.name,
                "phase": service.phase,
                "reason": service.reason,
                "restarts": service.restarts,
            }
            for service in test.stack.services
        ],
        "dumps": dict(test.dumps),
        "settings": report.settings,
        "logs": [
            {
                "service": log.service,
                "left_out": log.left_out,
                "lines": [{"level": level, "text": text} for level, text in log.lines],
            }
            for log in content.logs
        ],
    }


def _descriptions(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        for data_directory in (folder, *plan_folders(folder)):
            try:
                descriptions = [*data_directory.glob(_PATTERN)]
            except OSError:  # the folder was removed meanwhile
                continue
            for path in descriptions:
                parents = path.relative_to(data_directory).parents
                if disk.is_file(str(path)) and all(
                    disk.is_folder(f"{data_directory}/{parent}") for parent in parents
                ):
                    yield path


def id_of(folder: Path) -> str:
    """Return the id of the failure report in a folder; `folder` must not contain symbolic links."""
    return hashlib.blake2b(bytes(folder), digest_size=8).hexdigest()


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # the report was removed
        return 0.0


def _report(path: Path) -> Report | None:
    try:
        return Report(id=id_of(path.parent), folder=path.parent, description=description(path))
    except (OSError, ValueError, RecursionError, MessageError):
        return None


def description(path: Path) -> Description:
    """Return the description in a file `capsule.json`.

    Raises `OSError` if the file cannot be read, and `ValueError`, `RecursionError` or `MessageError` if its
    content is not a description.
    """
    described = decode(Description, _json(path, _DESCRIPTION))
    if not (0 <= described.began < LATEST and 0 <= described.seconds < LATEST):
        raise ValueError("`began` or `seconds` is out of range")
    return described


def _json(path: Path, limit: int) -> Any:
    """Return the JSON data in a file.

    Raises `OSError`, and `ValueError` if the content is not JSON or has more than `limit` bytes.
    """
    with path.open("rb") as file:
        text = file.read(limit + 1)
    if len(text) > limit:
        raise ValueError(f"the file has more than {limit} bytes")
    return data_of(text.decode())


def _shown(path: Path) -> str:
    """Return a path as a string, in which bytes that are not UTF-8 are replaced."""
    return bytes(path).decode(errors="replace")


def _log_part(path: Path) -> LogPart | None:
    try:
        log = LogFile(path.parent, path.name.removesuffix(".log"), index=NO_TIMES)
    except OSError:
        return None
    with log:
        lowest_offset = log.size - _LOG
        newest = itertools.takewhile(lambda line: line.offset >= lowest_offset, log.lines_before())
        lines = [*itertools.islice(newest, LINES)][::-1]
    entries = [*Selection().entries(lines)]
    return LogPart(
        service=_shown(path.with_suffix("")).rpartition("/")[2],
        # `record.message` has no escape sequences of terminals.
        lines=tuple(
            (record.level, record.message if record.format == "text" else line.text)
            for line, record in entries
        ),
        times=tuple((record.time, record.level) for _, record in entries if record.time is not None),
        left_out=lines[0].offset if lines else 0,
    )


def trace_of(report: Report) -> tuple[dict[str, Any] | None, str]:
    """Return the trace of a failure report in the format of the query API, and the reason of an error.

    The trace is None if it cannot be read, or if the report has no trace; in the second case, the reason is
    empty.
    """
    path = report.folder / "trace.json"
    if not disk.is_file(str(path)):
        return None, ""
    try:
        trace = _json(path, _TRACE)
        spans = [*map(_span, trace["spans"])]
        logs = [{**log, "severity": _SEVERITIES.get(str(log["level"]).lower(), 5)} for log in trace["logs"]]
    except NOT_READABLE as error:
        return None, f"{path.name} cannot be read: {error!r}"
    return ({**trace, "spans": spans, "logs": logs} if spans or logs else None), ""


def _trace(report: Report) -> tuple[Waterfall | None, str]:
    trace, problem = trace_of(report)
    if trace is None:
        return None, problem
    try:
        return waterfall(trace), ""
    except NOT_READABLE as error:
        return None, f"trace.json cannot be read: {error!r}"


def _span(span: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checked span of `trace.json`. Raises an exception of `NOT_READABLE` if it is not valid."""
    for name in _TEXTS:
        if not isinstance(span[name], str):
            raise TypeError(f"{name!r} of a span is not a string")
    if not (math.isfinite(span["start"]) and math.isfinite(span["end"])):
        raise ValueError("the time of a span is not a number")
    return _with_attributes({**span, "events": [*map(_with_attributes, span["events"])]})


def _with_attributes(span_or_event: Mapping[str, Any]) -> dict[str, Any]:
    """Return a span or an event with its attributes as a dictionary. Raises `TypeError` or `ValueError`."""
    return {**span_or_event, "attributes": dict(span_or_event.get("attributes", {}))}
