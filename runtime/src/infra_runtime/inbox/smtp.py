"""The SMTP server, which accepts every login and recipient, and stores messages up to its limits.

Sources: RFC 5321 (SMTP), RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8), RFC 4954 (AUTH);
aiosmtpd's documentation, "The SMTP class" and "Handlers".
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from infra_runtime.inbox.store import Store

#: The maximum number of bytes of a command. RFC 5321 requires 512, but a token in AUTH can be longer.
_COMMAND = 8192
#: The maximum number of bytes of a line. RFC 5321 allows 1000, but widespread servers accept longer lines.
_LINE = 65536
#: The maximum number of recipients of a message; RFC 5321 requires at least 100.
_RECIPIENTS = 1000
#: The number of bytes by which the data for one message may exceed twice the maximum size of a message.
_ALLOWANCE = 1_000_000


class Connection(SMTP):
    """The connection of an SMTP client; it is closed if a message is much larger than the limit."""

    command_size_limit = _COMMAND
    line_length_limit = _LINE

    def __init__(self, handler: Handler, max_message_bytes: int) -> None:
        self.command_size_limits = defaultdict(lambda: _COMMAND)
        self._received, self._most = 0, 2 * max_message_bytes + _ALLOWANCE
        super().__init__(
            handler,
            data_size_limit=max_message_bytes,
            enable_SMTPUTF8=True,
            hostname="localhost",
            ident="pytest-infra inbox",
            authenticator=_accept,
            auth_require_tls=False,
            loop=asyncio.get_running_loop(),
        )

    def data_received(self, data: bytes) -> None:
        """Pass bytes to aiosmtpd, or close the connection if a message is much larger than the limit.

        aiosmtpd itself would collect a line without an end in memory. Source: aiosmtpd 1.4.6,
        `SMTP.smtp_DATA`.
        """
        self._received += len(data)
        if self._received > self._most and isinstance(self.transport, asyncio.Transport):
            self.transport.write(b"552 Error: Too much mail data\r\n")
            self.transport.close()
            return
        super().data_received(data)

    def _set_post_data_state(self) -> None:
        self._received = 0
        super()._set_post_data_state()  # type: ignore[no-untyped-call]  # of aiosmtpd


def _accept(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, login: Any) -> AuthResult:
    return AuthResult(success=True, auth_data=login)


class Handler:
    """The handler, whose methods aiosmtpd calls for the commands of a client."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def handle_RCPT(  # noqa: N802 - aiosmtpd defines the name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Add a recipient to the envelope."""
        if len(envelope.rcpt_tos) >= _RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd defines the name
        self, _server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Store a message, and return the answer to the client."""
        content = envelope.original_content or b""
        authenticated: object = session.auth_data
        login = authenticated.login if isinstance(authenticated, LoginPassword) else b""
        sender = _readable(envelope.mail_from or "")
        try:
            summary = await self._store.add(
                content,
                sender="" if sender == "<>" else sender,
                recipients=[_readable(address) for address in envelope.rcpt_tos],
                login=login.decode("utf-8", "replace"),
            )
        except OSError as error:
            print(f"a message cannot be stored: {error}", flush=True)
            return f"452 4.3.1 The message cannot be stored: {error.strerror}"
        recipients = ", ".join(summary.recipients)
        print(
            f"message {summary.id} from {summary.sender!r} to {recipients!r}: {summary.size} bytes",
            flush=True,
        )
        return f"250 2.0.0 Stored as {summary.id}"


def _readable(address: str) -> str:
    return address.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
