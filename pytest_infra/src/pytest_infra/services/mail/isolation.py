"""The mail server: a separate domain for each test, and a login for messages to other domains.

Source: RFC 6761, "Special-Use Domain Names", for the top-level domain `test`.
"""

from __future__ import annotations

import secrets
from urllib.parse import quote

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.cleared import ClearedUnit, ClearedUnits
from pytest_infra.kit_context import KitContext
from pytest_infra.services.mail.protocol import clear, run


class MailDomain(ClearedUnit):
    """An isolation unit of the mail server: the messages to a domain, and the messages sent with its login.

    `url` contains the login of the unit. A message that is sent with this login belongs to the unit, even
    if the message is sent to another domain.
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

    def clear(self) -> None:
        """Delete all messages of this unit."""
        run(self._server, clear(self.id))


def units(context: KitContext) -> ClearedUnits:
    """Return the object that creates isolation units (domains) of a mail server."""
    server = context.endpoint

    def make(name: str, label: str) -> MailDomain:
        return MailDomain(server, name.replace("_", "-"), label)

    return ClearedUnits(context.owner, make, OSError)
