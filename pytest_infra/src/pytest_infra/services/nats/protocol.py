"""Send requests to NATS and wait for the answers.

Source: NATS documentation, "Client Protocol".
"""

from __future__ import annotations

import json
import os
from typing import Any

from pytest_infra.isolation.connection import CommandError, LineConnection


class NatsConnection(LineConnection):
    """A connection, logged in as one user, to a NATS server.

    Raises `CommandError` if the server rejects the login.
    """

    def __init__(self, host: str, port: int, user: str, password: str) -> None:
        super().__init__(host, port)
        # Every worker has a connection to the system account. The random subject separates the answers for
        # different workers.
        self._inbox = b"_INBOX." + os.urandom(8).hex().encode()
        self.server: dict[str, Any] = json.loads(self.line().removeprefix(b"INFO "))
        login = {"user": user, "pass": password, "verbose": False, "name": "pytest-infra"}
        self.send(b"CONNECT " + json.dumps(login).encode() + b"\r\nSUB " + self._inbox + b" 1\r\nPING\r\n")
        if (answer := self.line()) != b"PONG":
            self.close()
            raise CommandError(f"nats: {answer.decode(errors='replace')}")

    def request(self, subject: str, payload: bytes = b"") -> dict[str, Any]:
        """Send a NATS request on a subject, and return the JSON object in the server's answer.

        Raises `CommandError` if the server rejects the request.
        """
        head = b"PUB %s %s %d\r\n" % (subject.encode(), self._inbox, len(payload))
        self.send(head + payload + b"\r\n")
        while not (line := self.line()).startswith(b"MSG "):
            if line == b"PING":
                self.send(b"PONG\r\n")
            elif line.startswith(b"-ERR"):
                raise CommandError(f"nats: {line.decode(errors='replace')}")
        answer: dict[str, Any] = json.loads(self.block(int(line.split()[-1])))
        if error := answer.get("error"):
            raise CommandError(f"nats: {subject}: {error}")
        return answer
