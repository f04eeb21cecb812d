"""The messages of the inbox: one file for each message, and an index in memory.

The index contains the envelope and the most important headers of each message. The first line of a file is
this summary as JSON; the bytes of the message follow. The folder contains at most `max_messages` messages
with `max_bytes` bytes in total; the oldest messages above these limits are dropped and counted. The newest
message stays, even if it is larger.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from infra_runtime.inbox.message import read_headers
from infra_runtime.value import frozen

#: the top-level domain in the mail addresses of tests. Source: RFC 6761, "Special-Use Domain Names".
DOMAIN = "test"
_SUFFIX = ".message"
#: the pattern of the file name of a message while the server writes it
_INCOMPLETE = re.compile(r"\d+\.new")
#: the largest number of characters of a header in the index; the message contains the whole header
_LONGEST = 1000


@frozen
class Summary:
    """The summary of a message, which the index contains."""

    id: int
    #: seconds since 1970
    received: float
    sender: str
    recipients: tuple[str, ...]
    #: the user name of the login; empty without a login
    login: str
    subject: str
    #: the header `From`
    author: str
    #: the number of bytes of the message
    size: int


@frozen
class Query:
    """The conditions of a search, which a message must all meet; an empty string matches every message."""

    #: texts that must occur in the address of a recipient, in the address of the sender or the header `From`,
    #: and in the subject, in upper or lower case
    to: str = ""
    sender: str = ""
    subject: str = ""
    #: the name of an isolation unit: the domain of a recipient is `UNIT.test`, or the user name of the login
    #: is `UNIT`
    unit: str = ""
    #: a number; the id of the message must be greater
    after: int = 0

    def matches(self, message: Summary) -> bool:
        """Return whether a message meets all conditions."""
        return (
            message.id > self.after
            and any(self.to.casefold() in address.casefold() for address in message.recipients)
            and self.sender.casefold() in f"{message.sender}\n{message.author}".casefold()
            and self.subject.casefold() in message.subject.casefold()
            and (not self.unit or _belongs(message, self.unit.casefold()))
        )


def _belongs(message: Summary, unit: str) -> bool:
    domain = f"{unit}.{DOMAIN}"
    domains = (address.rpartition("@")[2].casefold() for address in message.recipients)
    return message.login.casefold() == unit or domain in domains


class Store:
    """Stores the messages that the server has received; the newest messages have the greatest ids.

    `clock` returns seconds since 1970. If `durable` is true, a message is on the disk when `add` returns.
    Otherwise, the message is in the memory of the kernel: it survives the end of this process, but not a
    power failure.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_messages: int,
        max_bytes: int,
        durable: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._durable, self._clock = folder, durable, clock
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._messages: dict[int, Summary] = {}
        self._bytes = 0
        self._adding = asyncio.Lock()
        self._arrival = asyncio.Event()
        #: the number of messages that were dropped since the start of the server
        self.dropped = 0

    def load(self) -> None:
        """Create the folder if it is missing, and read the summaries of its messages.

        Files that a killed server has not completed are removed, and files of other programs are ignored.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(self._folder.iterdir(), key=lambda path: (len(path.name), path.name)):
            if _INCOMPLETE.fullmatch(path.name):
                path.unlink()
            elif summary := _read_summary(path):
                self._enter(summary)
        self._drop_oldest()

    async def add(self, raw: bytes, *, sender: str, recipients: Sequence[str], login: str = "") -> Summary:
        """Store a message, and return its summary. Raises `OSError` if the message cannot be written."""
        headers = read_headers(raw)
        # Messages are added in the order of their ids, so that `after` does not skip a message.
        async with self._adding:
            now = self._clock()
            summary = Summary(
                # The id is at least the time in milliseconds, so that ids also increase if the newest message
                # was deleted before a restart.
                id=max(next(reversed(self._messages), 0) + 1, int(now * 1000)),
                received=now,
                sender=sender,
                recipients=tuple(recipients),
                login=login,
                subject=headers.get("Subject", "")[:_LONGEST],
                author=headers.get("From", "")[:_LONGEST],
                size=len(raw),
            )
            await asyncio.to_thread(self._write, summary, raw)
            self._enter(summary)
            self._drop_oldest()
        arrival, self._arrival = self._arrival, asyncio.Event()
        arrival.set()
        return summary

    def search(self, query: Query) -> list[Summary]:
        """Return the messages that match a query, the oldest first."""
        return [message for message in self._messages.values() if query.matches(message)]

    async def wait(self, query: Query, seconds: float) -> list[Summary]:
        """Wait until messages match a query, and return them; after `seconds`, return an empty list."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (matching_messages := self.search(query)):
                    await self._arrival.wait()
                return matching_messages
        return self.search(query)

    def get(self, number: int) -> Summary | None:
        """Return the summary of a message; None if the inbox does not contain the message."""
        return self._messages.get(number)

    def raw(self, number: int) -> bytes:
        """Return the bytes of a message. Raises `FileNotFoundError` if it was deleted."""
        with self._path(number).open("rb") as file:
            file.readline()
            return file.read()

    def delete(self, messages: Iterable[Summary]) -> int:
        """Delete messages, and return the number of deleted messages."""
        numbers = [message.id for message in messages if self._messages.pop(message.id, None)]
        for number in numbers:
            self._path(number).unlink(missing_ok=True)
        self._bytes = sum(message.size for message in self._messages.values())
        return len(numbers)

    def __len__(self) -> int:
        return len(self._messages)

    def _enter(self, summary: Summary) -> None:
        self._messages[summary.id] = summary
        self._bytes += summary.size

    def _drop_oldest(self) -> None:
        excess = []
        count, size = len(self._messages), self._bytes
        for message in self._messages.values():
            # The newest message is never removed, even if it is larger than the limit.
            if count == 1 or (count <= self._max_messages and size <= self._max_bytes):
                break
            excess.append(message)
            count, size = count - 1, size - message.size
        self.dropped += self.delete(excess)

    def _write(self, summary: Summary, raw: bytes) -> None:
        """Write a message to a file `ID.new`, and rename this file when it is complete."""
        path = self._path(summary.id)
        new_path = path.with_suffix(".new")
        try:
            with new_path.open("wb") as file:
                file.write(json.dumps(asdict(summary)).encode() + b"\n")
                file.write(raw)
                if self._durable:
                    file.flush()
                    os.fsync(file.fileno())
            new_path.rename(path)
        except OSError:
            new_path.unlink(missing_ok=True)
            raise

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}{_SUFFIX}"


def _read_summary(path: Path) -> Summary | None:
    """Return the summary in the first line of a file; None if the file is not a message."""
    if path.suffix != _SUFFIX:
        return None
    try:
        with path.open("rb") as file:
            data = json.loads(file.readline())
        return Summary(**{**data, "recipients": tuple(data["recipients"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
