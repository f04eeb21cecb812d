"""The two sources of log lines: the files in the data directory, and the stream of a log forwarder."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from infra_cli.file_follower import Follower
from infra_runtime.errors import InfraError, NoStackError, UnknownServiceError
from infra_runtime.logs.files import merged, services_with_logs
from infra_runtime.logs.line import Line

if TYPE_CHECKING:
    from infra_cli.target import Target
    from infra_runtime.logs.stream import Reader


class StreamError(InfraError):
    """Raised if log lines cannot be read from the stream of the log forwarder."""

    hint = "`infra runtime logs` without `--from stream` reads the log files."

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"the stream with the log lines cannot be read: {self.problem}"


class Source(Protocol):
    """The interface of a source of log lines: the log files or the stream."""

    services: list[str]

    def lines(self, since: float) -> Iterator[Line]:
        """Yield the lines since a Unix time, sorted by time."""
        ...

    def following(self) -> Iterator[Line]:
        """Yield each line that is added after the last line of `lines`; the iterator does not end."""
        ...


class Files:
    """The log files of a stack, which does not have to be running."""

    def __init__(self, folder: Path, names: Sequence[str], *, follow: bool) -> None:
        """Find the logs of the services `names`, or all logs if `names` is empty.

        Unless `follow` is true, raises `NoStackError` if no log exists, and `UnknownServiceError` if one of
        `names` has no log.
        """
        with_logs = services_with_logs(folder)
        if not with_logs and not follow:
            raise NoStackError(str(folder.parent))
        for name in names:
            if name not in with_logs and not (folder / f"{name}.log").exists() and not follow:
                raise UnknownServiceError(name, with_logs)
        self.services = list(names) or with_logs
        self._folder, self._names = folder, names
        self._follower = Follower(self._paths)
        self._ends = self._follower.skip() if follow else {}

    def lines(self, since: float) -> Iterator[Line]:
        """Yield the lines since a Unix time, sorted by time."""
        ends = {path.stem: end for path, end in self._ends.items()}
        return merged(self._folder, ends or dict.fromkeys(self.services), since)

    def following(self) -> Iterator[Line]:
        """Yield each line that is written after the last line of `lines`; its time is the time of reading."""
        return (Line(time.time(), path.stem, text) for path, text in self._follower.lines())

    def _paths(self) -> list[Path]:
        names = self._names or services_with_logs(self._folder)
        return [self._folder / f"{name}.log" for name in names]


class Stream:
    """The stream of a running stack: the log forwarder copies all log lines to this stream."""

    def __init__(self, reader: Reader, names: Sequence[str]) -> None:
        self._reader, self._names = reader, names
        self.services = list(names) or reader.services

    def lines(self, since: float) -> Iterator[Line]:
        """Yield the lines since a Unix time, sorted by time."""
        return self._reader.merged(self.services, since)

    def following(self) -> Iterator[Line]:
        """Yield each line that is added to the stream after the last line of `lines`."""
        return self._reader.following(self._names)


@contextlib.contextmanager
def stream(target: Target, names: Sequence[str]) -> Iterator[Stream]:
    """Yield the stream of a running stack. Raises `NoStackError`, or `StreamError` with the reason."""
    from infra_runtime import attach

    with attach(target.paths().data, lease=False) as stack:
        urls = [endpoint.url for endpoint in stack.endpoints().values() if "stream" in endpoint]
    if not urls:
        raise StreamError("no service of the stack is a log forwarder")
    try:
        from nats.errors import Error as NatsError

        from infra_runtime.logs.stream import Reader
    except ImportError:
        raise StreamError("nats-py is not installed (`python -m pip install 'pytest-infra[nats]'`)") from None
    try:
        reader = Reader(urls[0])
    except (NatsError, OSError) as error:
        raise StreamError(str(error) or type(error).__name__) from error
    with contextlib.closing(reader):
        try:
            yield Stream(reader, names)
        except (NatsError, TimeoutError) as error:
            raise StreamError(str(error) or type(error).__name__) from error
