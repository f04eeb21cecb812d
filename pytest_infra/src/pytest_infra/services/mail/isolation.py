"""The mail server: a separate domain for each test, and a login for messages to other addresses.

Source: RFC 6761, "Special-Use Domain Names", for the top-level domain `test`.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from urllib.parse import quote

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext
from pytest_infra.services.mail.protocol import clear, run


class MailDomain(Unit):
    """An isolation unit of the mail server: the messages to a domain, or from a client with its login.

    `url` contains the login, with which messages to any address belong to the unit.
    """

    def __init__(self, server: Endpoint, name: str, label: str) -> None:
        password = secrets.token_hex(8)
        domain = f"{name}.test"
        super().__init__(
            server,
            name,
            label,
            url=f"smtp://{name}:{password}@{server.host}:{server.port}",
            user=name,
            password=password,
            domain=domain,
            address=f"test@{domain}",
            inbox_url=f"{server['inbox_url']}/?unit={quote(name)}",
        )
        self._server = server

    @contextlib.contextmanager
    def example(self) -> Iterator[MailDomain]:
        """Yield this unit without messages, for one example of Hypothesis."""
        self.clear()
        yield self
        self.clear()

    def clear(self) -> None:
        """Delete all messages of this unit."""
        run(self._server, clear(self.id))


def units(context: KitContext) -> Domains:
    """Return the object that creates isolation units (domains) of a mail server."""
    return Domains(context.endpoint, context.owner)


class Domains:
    """The domains of one process; the server needs no preparation for a new domain."""

    def __init__(self, server: Endpoint, owner: Owner) -> None:
        self._server, self._owner = server, owner

    def acquire(self, label: str) -> Unit:
        """Return an isolation unit: a domain that no other test has used."""
        return MailDomain(self._server, self._owner.name().replace("_", "-"), label)

    def release(self, unit: Unit) -> None:
        """Delete the messages of a domain after its test, unless the unit is kept."""
        if isinstance(unit, MailDomain) and not unit.keep:
            with contextlib.suppress(OSError):  # the messages of a stopped server cannot be deleted
                unit.clear()

    def close(self) -> list[str]:
        """Return an empty list, because no unit exists between two tests."""
        return []
