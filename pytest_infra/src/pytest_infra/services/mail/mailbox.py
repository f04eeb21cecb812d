"""The fixtures `mailbox` and `async_mailbox`: the messages of a test, and waiting for a message."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeAlias

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import InfraError
from infra_runtime.inbox.message import Attachment, Headers, Message
from pytest_infra.kit_context import FixtureContext
from pytest_infra.services.mail import protocol

__all__ = ["AsyncMailbox", "Attachment", "Headers", "Mailbox", "Message", "MessageMissingError", "Pattern"]

#: a part of a string, or a regular expression that matches somewhere in the text
Pattern: TypeAlias = str | re.Pattern[str]
#: seconds for which `wait_for` waits by default
TIMEOUT = 10.0
#: the time limit for one request, in seconds: a request to a server that a test has stopped does not return
_STEP = 30.0
#: the maximum number of mails in an error message
_LISTED = 10
#: the name of an isolation unit
_UNIT = re.compile(r"[a-z0-9]+-\d+")


class MessageMissingError(InfraError, AssertionError):
    """The error that no message met the conditions of `wait_for` within the time limit."""

    def __init__(
        self, expected: str, timeout: float, arrived: tuple[str, ...], to_other_addresses: tuple[str, ...]
    ) -> None:
        super().__init__(expected, timeout, arrived, to_other_addresses)
        self.arrived = arrived
        if to_other_addresses and not arrived:
            self.hint = (
                "Send the message to an address of the test's domain, or log in with the user and the "
                "password of the test's `url`."
            )
        else:
            self.hint = "Correct the conditions, or increase `timeout`."
        self._text = _report(expected, timeout, arrived, to_other_addresses)

    def __str__(self) -> str:
        return self._text


def _report(
    expected: str, timeout: float, arrived: tuple[str, ...], to_other_addresses: tuple[str, ...]
) -> str:
    lines = [f"no message with {expected} arrived within {timeout:g} s"]
    if arrived:
        lines.append(f"the inbox of the test contains {len(arrived)}:")
        lines += [f"  {text}" for text in arrived[-_LISTED:]]
        if len(arrived) > _LISTED:
            lines[1] = lines[1].replace(":", f", the last {_LISTED} are:")
    else:
        lines.append("the inbox of the test is empty")
    if to_other_addresses:
        lines.append(
            f"messages to other addresses arrived meanwhile: {'; '.join(to_other_addresses[-_LISTED:])}"
        )
    return "\n".join(lines)


class _Inbox:
    """The address of a test, and the ids of those messages that `wait_for` has already returned."""

    def __init__(self, unit: Endpoint) -> None:
        self._unit = unit
        self._name = unit.get("user", "")
        self._returned: set[int] = set()
        self._began = time.time()

    @property
    def domain(self) -> str:
        """The domain that belongs to the test; every address in this domain is an address of the test."""
        return self._unit.get("domain", "example.test")

    @property
    def address(self) -> str:
        """The address `test@DOMAIN` in the domain of the test."""
        return f"test@{self.domain}"

    def _waiting(
        self, subject: Pattern | None, to: str | None, sender: str | None, timeout: float
    ) -> protocol.Exchange[Message]:
        """Wait for the oldest message that meets the conditions and was not returned before; return it.

        Raises `MessageMissingError` if no such message arrives within `timeout` seconds.
        """
        __tracebackhide__ = True
        deadline = time.monotonic() + timeout
        unmatched, last_id = [], 0
        while True:
            wait = max(0.0, min(deadline - time.monotonic(), _STEP))
            new_summaries = yield from protocol.summaries(self._name, after=last_id, wait=wait)
            for summary in new_summaries:
                last_id = max(last_id, summary["id"])
                if summary["id"] in self._returned or not _meets(summary, subject, to, sender):
                    unmatched.append(summary)
                    continue
                message = yield from protocol.message(summary)
                if message is not None:
                    self._returned.add(message.id)
                    return message
            if not new_summaries and time.monotonic() >= deadline:
                break
        all_summaries = yield from protocol.summaries("")
        raise MessageMissingError(
            _conditions(subject, to, sender),
            timeout,
            tuple(self._described(summary) for summary in unmatched),
            tuple(_recipients(message) for message in all_summaries if self._is_elsewhere(message)),
        )

    def _is_elsewhere(self, summary: dict[str, Any]) -> bool:
        """Return whether a message does not belong to a test, and has arrived while this test was running."""
        domains = [address.rpartition("@")[2].removesuffix(".test") for address in summary["recipients"]]
        owned = any(_UNIT.fullmatch(name) for name in (*domains, summary["login"]))
        return not owned and summary["received"] >= self._began

    def _described(self, summary: dict[str, Any]) -> str:
        returned = " (returned before)" if summary["id"] in self._returned else ""
        return f"{summary['subject']!r} from {summary['sender'] or '<>'} to {_recipients(summary)}{returned}"


def _recipients(summary: dict[str, Any]) -> str:
    return ", ".join(summary["recipients"])


def _meets(summary: dict[str, Any], subject: Pattern | None, to: str | None, sender: str | None) -> bool:
    return (
        (subject is None or _contains(subject, summary["subject"]))
        and (to is None or any(to.casefold() == address.casefold() for address in summary["recipients"]))
        and (
            sender is None
            or sender.casefold() == summary["sender"].casefold()
            or sender.casefold() in summary["author"].casefold()
        )
    )


def _contains(pattern: Pattern, text: str) -> bool:
    return pattern in text if isinstance(pattern, str) else pattern.search(text) is not None


def _conditions(subject: Pattern | None, to: str | None, sender: str | None) -> str:
    pattern = subject.pattern if isinstance(subject, re.Pattern) else subject
    conditions = {"the subject": pattern, "the recipient": to, "the sender": sender}
    return (
        ", ".join(f"{name} {value!r}" for name, value in conditions.items() if value is not None)
        or "any subject"
    )


class Mailbox(_Inbox):
    """The messages to the addresses of a test, and the messages that were sent with the login of the test.

    If tests share the server, these are the messages of all tests.
    """

    def wait_for(
        self,
        *,
        subject: Pattern | None = None,
        to: str | None = None,
        sender: str | None = None,
        timeout: float = TIMEOUT,
    ) -> Message:
        """Return the oldest message that meets the conditions, or wait until it arrives.

        `subject` is a part of the subject or a regular expression, `to` is the address of a recipient,
        `sender` is the address of the sender or a part of the header `From`. Each message is returned only
        once, so that the second call returns the second message. Raises `MessageMissingError` after
        `timeout` seconds.
        """
        __tracebackhide__ = True  # pytest then shows the line of the test that calls this method
        return protocol.run(self._unit, self._waiting(subject, to, sender, timeout))

    def messages(self) -> list[Message]:
        """Return all messages that have arrived, the oldest first."""
        return protocol.run(self._unit, protocol.messages(self._name))

    def clear(self) -> None:
        """Delete all messages of the test."""
        protocol.run(self._unit, protocol.clear(self._name))


class AsyncMailbox(_Inbox):
    """The messages of a test, as in `Mailbox`, with asynchronous methods."""

    async def wait_for(
        self,
        *,
        subject: Pattern | None = None,
        to: str | None = None,
        sender: str | None = None,
        timeout: float = TIMEOUT,  # noqa: ASYNC109 - the error after the time limit contains what has arrived
    ) -> Message:
        """Return the oldest message that meets the conditions; `Mailbox.wait_for` explains the arguments."""
        __tracebackhide__ = True
        return await protocol.run_async(self._unit, self._waiting(subject, to, sender, timeout))

    async def messages(self) -> list[Message]:
        """Return all messages that have arrived, the oldest first."""
        return await protocol.run_async(self._unit, protocol.messages(self._name))

    async def clear(self) -> None:
        """Delete all messages of the test."""
        await protocol.run_async(self._unit, protocol.clear(self._name))


def mailbox(_context: FixtureContext, unit: Endpoint) -> Iterator[Mailbox]:
    """Yield the messages of the test."""
    yield Mailbox(unit)


async def async_mailbox(_context: FixtureContext, unit: Endpoint) -> AsyncIterator[AsyncMailbox]:
    """Yield the messages of the test, with asynchronous methods."""
    yield AsyncMailbox(unit)
