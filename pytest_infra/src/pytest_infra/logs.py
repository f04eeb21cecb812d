"""The fixture `infra_logs`: the lines that services have logged since the start of the test."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import pytest

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import InfraError
from infra_runtime.logs.record import parse
from pytest_infra.instances import Instances
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit import ServiceKit
from pytest_infra.notes import Notes
from pytest_infra.process import session_of
from pytest_infra.report.log_files import LogFiles, read, without_others
from pytest_infra.unit_registry import UnitRegistry

__all__ = ["LogLine", "LogLineMissingError", "Logs"]

#: a regular expression that matches somewhere in a line
Pattern: TypeAlias = str | re.Pattern[str]
#: seconds for which `wait_for` waits by default
TIMEOUT = 10.0
#: seconds between two reads of a log
INTERVAL = 0.01
#: the maximum number of log lines in an error message
_LAST_LINES = 20


class LogLine(NamedTuple):
    """A line of a service's log. A field is empty or None if the line has no value for the field."""

    service: str
    #: the whole line
    text: str
    #: the message of a structured line (JSON or logfmt), otherwise the whole line
    message: str
    #: debug | info | warning | error | critical
    level: str
    #: the time in the line, in seconds since the epoch
    time: float | None
    #: the id, such as a request id, that lines of several services about the same work have in common
    correlation_id: str
    #: the other fields of a structured line
    fields: Mapping[str, Any]


class LogLineMissingError(InfraError, AssertionError):
    """The error that no line of a service matched within the time limit."""

    hint = "Correct the pattern or the service, or increase `timeout`."

    def __init__(self, service: str, pattern: str, timeout: float, lines: tuple[LogLine, ...]) -> None:
        super().__init__(service, pattern, timeout, lines)
        self.lines = lines
        head = f"{service} logged no line that matches {pattern!r} within {timeout:g} s"
        if lines:
            last_lines = [f"  {line.text}" for line in lines[-_LAST_LINES:]]
            head += f"; {len(lines)} other lines since the start of the test"
            head += f", the last {_LAST_LINES} are:" if len(lines) > _LAST_LINES else ":"
            self._text = "\n".join([head, *last_lines])
        else:
            self._text = f"{head}, and no other line since the start of the test"

    def __str__(self) -> str:
        return self._text


class Logs:
    """The lines that services have logged since the start of the test.

    All tests share the services, so the lines of other xdist workers' tests are included, except lines with
    the name of another worker's isolation unit.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._session, self._stash = session_of(config), config.stash
        self._files = config.stash[LogFiles.KEY]
        self._instances, self._notes = Instances.of(config), Notes.of(config)

    def of(self, service: str | Endpoint) -> list[LogLine]:
        """Return the lines that a service has logged since the start of the test.

        The service is started if it has not been started yet.
        """
        return [*self._reader(service).lines(complete=False)]

    def wait_for(self, service: str | Endpoint, pattern: Pattern, *, timeout: float = TIMEOUT) -> LogLine:
        """Return the first line that a service has logged since the test began and that matches a pattern.

        If the log does not contain the line yet, wait for it. The pattern is searched in the line and in
        the message of a structured line. Raises `LogLineMissingError` after `timeout` seconds, which include
        the start of the service if it has not been started yet.
        """
        __tracebackhide__ = True  # pytest then shows the line of the test that calls this method
        expression = re.compile(pattern)
        deadline = time.monotonic() + timeout
        reader = self._reader(service)
        unmatched_lines: list[LogLine] = []
        while True:
            has_ended = time.monotonic() >= deadline
            for line in reader.lines(complete=not has_ended):
                if expression.search(line.text) or expression.search(line.message):
                    return line
                unmatched_lines.append(line)
            if has_ended:
                raise LogLineMissingError(reader.service, expression.pattern, timeout, tuple(unmatched_lines))
            time.sleep(INTERVAL)

    def _reader(self, service: str | Endpoint) -> _Reader:
        if isinstance(service, str):
            registry = self._stash.get(UnitRegistry.KEY, None)
            service = (registry.current.get(service) if registry else None) or service
        if isinstance(service, str):
            status = self._session.status()
            # A service that a test has stopped is not started again.
            if status is None or all(running.name != service for running in status.services):
                self._session.service(service)
            name = process = service
        else:
            name, process = service.name, service.process if isinstance(service, Unit) else service.name
        return _Reader(self._files, name, process, self._instances[name].kit, self._notes.owners)


class _Reader:
    """The position in the log of a service up to which lines were read."""

    def __init__(
        self, files: LogFiles, service: str, process: str, kit: ServiceKit, owners: Collection[str]
    ) -> None:
        self.service = service
        self._files, self._process, self._kit, self._owners = files, process, kit, owners
        self._offset: int | None = None

    def lines(self, *, complete: bool) -> Iterator[LogLine]:
        """Yield the lines since the last call; the first call yields the lines since the start of the test.

        With `complete`, an incomplete last line is not yielded; the next call yields it when it is complete.
        """
        path = self._files.path(self._process)
        if path is None:
            return
        if self._offset is None:
            self._offset = self._files.start(path)
        block, end = read(path, self._offset)
        incomplete_line = block.rpartition(b"\n")[2] if complete else b""
        self._offset = end - len(incomplete_line)
        yield from self._parsed(block.removesuffix(incomplete_line))

    def _parsed(self, block: bytes) -> Iterator[LogLine]:
        text = block.lstrip(b"\0").decode(errors="replace")
        for line in without_others(text, self._owners, self._kit).split("\n"):
            if line := line.rstrip("\r"):
                record = parse(line)
                yield LogLine(
                    service=self.service,
                    text=line,
                    message=record.message,
                    level=record.level,
                    time=record.time,
                    correlation_id=next(iter(record.ids), ""),
                    fields=record.fields,
                )
