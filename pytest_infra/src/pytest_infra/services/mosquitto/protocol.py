"""Send packets of MQTT to Mosquitto and read the answers.

Sources: OASIS, "MQTT Version 3.1.1"; Mosquitto, `plugins/dynamic-security/README.md`.
"""

from __future__ import annotations

import itertools
import json
import secrets
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.connection import CommandError, LineConnection

#: types of packets
CONNECT, CONNACK, PUBLISH, SUBSCRIBE, SUBACK = 0x10, 0x20, 0x30, 0x82, 0x90
UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP = 0xA2, 0xB0, 0xC0, 0xD0
CONTROL = "$CONTROL/dynamic-security/v1"
#: The maximum number of messages of one unit that a connection stores.
MESSAGES = 100
_REFUSED = 0x80


class Message(NamedTuple):
    """A message from the broker; `retained` is true if it was published before the subscription."""

    topic: str
    payload: bytes
    retained: bool


class MqttConnection(LineConnection):
    """A connection to a broker; the object stores the last messages of its subscriptions."""

    def __init__(self, server: Endpoint) -> None:
        super().__init__(server.host, server.port)
        self._name, self._packets = server.name, itertools.count(1)
        #: the first level of a topic → messages that were published after the subscription
        self.received: dict[str, deque[Message]] = defaultdict(lambda: deque(maxlen=MESSAGES))
        self._retained: list[Message] = []
        self._responses: list[dict[str, Any]] = []
        self._subscribed = False
        try:
            self._log_in(server.get("user", ""), server.get("password", ""))
        except BaseException:
            self.close()
            raise

    def _log_in(self, user: str, password: str) -> None:
        login = _text(user) + _text(password) if user else b""
        # The packet requests a clean session without a keep-alive. The broker's log contains the client id.
        client = _text(f"pytest-infra-{secrets.token_hex(4)}")
        flags = 0xC2 if user else 0x02
        self._send(CONNECT, _text("MQTT") + bytes((4, flags)) + _number(0) + client + login)
        if (code := self._answer(CONNACK)[1]) != 0:
            raise CommandError(f"{self._name}: the broker refuses the login with code {code}")

    def subscribe(self, prefix: str) -> None:
        """Begin to store the messages of the topics that begin with a prefix."""
        self._subscribe(f"{prefix}#")

    def unsubscribe(self, prefix: str) -> None:
        """End the subscription to a prefix, and remove the stored messages."""
        self._send(UNSUBSCRIBE, self._id() + _text(f"{prefix}#"))
        self._answer(UNSUBACK)
        self.received.pop(prefix.partition("/")[0], None)

    def retained(self, prefix: str) -> list[Message]:
        """Return the retained messages of the topics with a prefix, as many as the broker sends at once."""
        self._retained = []
        self.subscribe(prefix)
        self.synchronize()
        return self._retained

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish a message; an empty retained message removes the retained message of the topic."""
        self._send(PUBLISH | retain, _text(topic) + payload)

    def synchronize(self) -> None:
        """Wait until the broker has processed all packets of this connection."""
        self._send(PINGREQ, b"")
        self._answer(PINGRESP)

    def control(self, *commands: Mapping[str, object], ignored: str = "\0") -> None:
        """Send commands to the plugin for users and roles.

        Raises `CommandError` if the plugin rejects a command, unless the error contains the text `ignored`.
        """
        if not self._subscribed:
            self._subscribe(f"{CONTROL}/response")
            self._subscribed = True
        self._responses = []
        self.publish(CONTROL, json.dumps({"commands": commands}).encode())
        while not self._responses:
            self._packet()
        for response in self._responses:
            error = response.get("error", "")
            if error and ignored not in error:
                raise CommandError(f"{self._name}: {response.get('command')}: {error}")

    def _subscribe(self, topics: str) -> None:
        self._send(SUBSCRIBE, self._id() + _text(topics) + b"\0")
        if self._answer(SUBACK)[2] == _REFUSED:
            raise CommandError(f"{self._name}: the broker refuses the subscription to {topics}")

    def _id(self) -> bytes:
        return _number(next(self._packets) % 0xFFFF + 1)

    def _send(self, kind: int, body: bytes) -> None:
        length, remaining_length = b"", len(body)
        while True:
            remaining_length, digit = divmod(remaining_length, 128)
            length += bytes((digit | 0x80 if remaining_length else digit,))
            if not remaining_length:
                break
        self.send(bytes((kind,)) + length + body)

    def _answer(self, kind: int) -> bytes:
        """Read packets until a packet has the type `kind`, and return the body of this packet."""
        while True:
            received, body = self._packet()
            if received == kind:
                return body

    def _packet(self) -> tuple[int, bytes]:
        """Read a packet, and return its type and its body; a message is stored."""
        kind, length = self._read(1)[0], 0
        for shift in itertools.count(0, 7):
            digit = self._read(1)[0]
            length |= (digit & 0x7F) << shift
            if digit < 0x80:
                break
        body = self._read(length)
        if kind & 0xF0 == PUBLISH:
            size = int.from_bytes(body[:2], "big")
            self._store(Message(body[2 : 2 + size].decode(), body[2 + size :], bool(kind & 1)))
        return kind, body

    def _store(self, message: Message) -> None:
        if message.topic == f"{CONTROL}/response":
            self._responses += json.loads(message.payload)["responses"]
        elif message.retained:
            self._retained.append(message)
        else:
            self.received[message.topic.partition("/")[0]].append(message)

    def _read(self, size: int) -> bytes:
        data = self._reader.read(size)
        if len(data) < size:
            raise ConnectionError("the broker has closed the connection")
        return data


def _number(value: int) -> bytes:
    return value.to_bytes(2, "big")


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _number(len(encoded)) + encoded
