"""A proxy that has a fixed address and connects clients to the database of the running test.

The proxy accepts connections on a port of this process. The proxy checks the password, because other users of
the machine can connect to the port, too. It replaces the name of the database in the first message of a
client, and connects to the server's Unix socket, which needs no password. If an application keeps a
connection in its pool, the proxy connects it to the database of the next test when the application uses it
again.

Source: PostgreSQL documentation, "Message Flow" and "Message Formats" of the frontend/backend protocol.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets
import selectors
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn
from urllib.parse import parse_qs, urlsplit

from infra_runtime.engines.local.stack import Endpoint

#: The codes in the first message of a client that are not the version of the protocol.
SSL_REQUEST, CANCEL_REQUEST, GSSENC_REQUEST = 80877103, 80877102, 80877104
#: The settings of a session that the server reports and that a client can set when it connects.
REPORTED = ("client_encoding", "DateStyle", "TimeZone", "IntervalStyle", "search_path", "application_name")
PROBLEM = (
    "no test uses the service {service} now: the test needs the fixture `{service}`, for example by the ini "
    "value `usefixtures = {service}`"
)
#: the user in the URL; the proxy does not check the name
USER = "postgres"
#: the maximum number of bytes of a client's first message. Source: PostgreSQL, MAX_STARTUP_PACKET_LENGTH
LONGEST = 10_000
#: the element of `_Connection._expected` that represents the answer at the end of a request
READY = (b"\0", False)
#: the key of a client's first session → the key of its present session, for requests to cancel a query
_KEYS: dict[bytes, bytes] = {}
Current = Callable[[], Endpoint | None]


def listen(service: str, current: Current) -> Mapping[str, str]:
    """Start the proxy of a service, and return the exports that contain the address and login of the proxy.

    `current` returns the isolation unit of the running test, or None if no test uses the service.
    """
    server, password = socket.create_server(("127.0.0.1", 0)), secrets.token_urlsafe(24)
    arguments = (server, service, current, password.encode())
    threading.Thread(target=_accept, args=arguments, name=f"infra-{service}-proxy", daemon=True).start()
    host, port = server.getsockname()
    return {"host": host, "port": str(port), "user": USER, "password": password, "database": "test"}


def _accept(server: socket.socket, service: str, current: Current, password: bytes) -> None:
    while True:
        client, _ = server.accept()
        target = _Connection(client, service, current, password).run
        threading.Thread(target=target, name=f"infra-{service}-connection", daemon=True).start()


class _Stream:
    """A socket whose bytes are divided into messages: a type, the length as four bytes, and the content."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._rest = b""

    def read(self) -> list[bytes]:
        """Wait for bytes, and return the messages that are complete. Raises `EOFError` at the end."""
        block = self.socket.recv(65536)
        if not block:
            raise EOFError
        data, start, messages = self._rest + block, 0, []
        while len(data) - start >= 5:
            end = start + 1 + struct.unpack_from("!I", data, start + 1)[0]
            if end > len(data):
                break
            messages.append(data[start:end])
            start = end
        self._rest = data[start:]
        return messages


class _Connection:
    """The connection of a client, and its connection to the database of the running test."""

    def __init__(self, client: socket.socket, service: str, current: Current, password: bytes) -> None:
        self._client, self._service, self._current = _Stream(client), service, current
        self._password = password
        self._server: _Stream | None = None
        self._unit: Endpoint | None = None
        #: whether the session is outside a transaction, and all requests of the client are answered
        self._idle = False
        #: The answers that the server has not sent yet. Each answer is a pair: the name of the statement that
        #: the server prepares (READY for the end of a request), and whether the request came from the proxy.
        self._expected: deque[tuple[bytes, bool]] = deque()
        #: the type of the client's last request
        self._last = b""
        #: whether the server has ended the session after the test
        self._detached = False
        #: the key that the client sends to cancel a query: the key of the client's first session
        self._key = b""
        #: the parameters of the client's first message
        self._parameters: dict[str, str] = {}
        #: name of a prepared statement → the message that prepares it
        self._prepared: dict[bytes, bytes] = {}
        #: the names of the statements that are prepared in the present session of the server
        self._present: set[bytes] = set()

    def run(self) -> None:
        """Transfer messages until the client or the server closes its connection."""
        with self._client.socket, contextlib.suppress(EOFError, OSError):
            if self._read_first_message():
                try:
                    self._transfer()
                finally:
                    _KEYS.pop(self._key, None)
                    if self._server is not None:
                        self._server.socket.close()

    def _read_first_message(self) -> bool:
        """Read the client's parameters and connect; return False if the client did not request a session."""
        while True:
            body = self._read_body()
            (code,) = struct.unpack_from("!I", body.ljust(4, b"\0"))
            if code in {SSL_REQUEST, GSSENC_REQUEST}:
                self._client.socket.sendall(b"N")
                continue
            unit = self._current()
            if code == CANCEL_REQUEST:
                if unit is not None:
                    key = _KEYS.get(body[4:], body[4:])
                    with _connect(unit) as server:
                        server.sendall(struct.pack("!II", len(key) + 8, code) + key)
                        server.recv(1)  # the server closes the connection when it has cancelled the query
                return False
            words = body[4:].rstrip(b"\0").split(b"\0")
            texts = [word.decode() for word in words]
            self._parameters = dict(zip(texts[::2], texts[1::2], strict=False))
            self._check_password()
            self._client.socket.sendall(b"".join(self._attach(code)))
            return True

    def _check_password(self) -> None:
        """Request the password as plain text (it stays on this machine); refuse the client if it is wrong."""
        self._client.socket.sendall(b"R" + struct.pack("!II", 8, 3))
        kind, password = self._exactly(1), self._read_body().rstrip(b"\0")
        if kind != b"p" or not hmac.compare_digest(password, self._password):
            self._refuse("the password is wrong: use the URL in the environment variable", "28P01")

    def _read_body(self) -> bytes:
        """Read the length of a message, and return its content. Raises `EOFError` for a too long message."""
        (length,) = struct.unpack("!I", self._exactly(4))
        if not 4 <= length <= LONGEST:
            raise EOFError
        return self._exactly(length - 4)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            block = self._client.socket.recv(size - len(data))
            if not block:
                raise EOFError
            data += block
        return data

    def _attach(self, version: int = 196608) -> list[bytes]:
        """Connect to the database of the running test, and return the server's messages.

        If no test uses the service, or the server refuses the session, the client gets an error. Raises
        `EOFError` in these cases.
        """
        unit = self._current()
        if unit is None:
            self._refuse(PROBLEM.format(service=self._service))
        if self._server is not None:
            self._server.socket.close()
        self._unit, self._server, self._detached = unit, _Stream(_connect(unit)), False
        parameters = {**self._parameters, "user": unit["user"], "database": unit["database"]}
        texts = b"".join(f"{key}\0{value}\0".encode() for key, value in parameters.items()) + b"\0"
        body = struct.pack("!I", version) + texts
        self._server.socket.sendall(struct.pack("!I", len(body) + 4) + body)
        answer = [message for messages in self._until_ready() for message in messages]
        if answer and answer[-1][:1] == b"E":
            self._client.socket.sendall(answer[-1])
            raise EOFError
        self._present.clear()
        for message in answer:
            if message[:1] == b"K":
                self._key = self._key or message[5:]
                _KEYS[self._key] = message[5:]
        return answer

    def _until_ready(self) -> Iterator[list[bytes]]:
        """Yield messages of the server until it is ready for a query, or has closed the connection."""
        assert self._server is not None  # noqa: S101 - it was connected before
        messages: list[bytes] = []
        with contextlib.suppress(EOFError):
            while not messages or messages[-1][:1] != b"Z":
                messages = self._server.read()
                yield messages
            self._idle = True
            self._expected.clear()

    def _refuse(self, text: str, code: str = "57P03") -> NoReturn:
        """Send an error with a code of PostgreSQL to the client, and end the connection."""
        fields = f"SFATAL\0VFATAL\0C{code}\0M{text}\0\0".encode()
        self._client.socket.sendall(b"E" + struct.pack("!I", len(fields) + 4) + fields)
        raise EOFError

    def _transfer(self) -> None:
        while True:
            assert self._server is not None  # noqa: S101 - it was connected before
            with selectors.DefaultSelector() as selector:
                selector.register(self._client.socket, selectors.EVENT_READ)
                if not self._detached:
                    selector.register(self._server.socket, selectors.EVENT_READ)
                ready = {key.fileobj for key, _ in selector.select()}
            if self._server.socket in ready:
                self._from_server(self._server)
            if self._client.socket in ready:
                self._from_client()

    def _from_server(self, server: _Stream) -> None:
        test_has_ended = self._idle and self._current() is not self._unit
        try:
            messages = server.read()
        except EOFError:
            if not test_has_ended:
                raise
            self._detached = True
            return
        if test_has_ended:  # the server ends the sessions of a test with an error; the client must not get it
            return
        self._client.socket.sendall(b"".join(message for message in messages if self._is_for_client(message)))

    def _is_for_client(self, message: bytes) -> bool:
        """Update the state of this connection after a message of the server.

        Return whether the client expects the message.
        """
        match message[:1]:
            case b"S":
                name, value = message[5:-1].decode().split("\0")
                if name in REPORTED:
                    self._parameters[name] = value
            case b"1" if self._expected:
                statement, injected = self._expected.popleft()
                self._present.add(statement)
                return not injected
            case b"Z":
                self._complete_request()
                self._idle = READY not in self._expected and message[5:6] == b"I"
            case b"G" if self._last == b"S":  # the server ignores this Sync, as it reads rows to copy
                self._complete_request()
        return True

    def _complete_request(self) -> None:
        while self._expected and self._expected.popleft() != READY:
            pass

    def _from_client(self) -> None:
        messages = self._client.read()
        if not messages:
            return
        if self._detached or self._current() is not self._unit:
            if not self._idle:
                self._refuse("the test of this transaction has ended")
            if messages[0][:1] == b"X":  # the client closes the connection
                raise EOFError
            self._attach()
        self._idle = False
        assert self._server is not None  # noqa: S101 - it was connected before
        self._server.socket.sendall(
            b"".join(part for message in messages for part in self._requests(message))
        )

    def _requests(self, message: bytes) -> Iterator[bytes]:
        """Yield `message`, after a message that prepares its statement if the server has not prepared it."""
        match message[:1]:
            case b"Q" | b"S" | b"F":
                self._expected.append(READY)
                self._last = message[:1]
            case b"P":
                name = message[5:].partition(b"\0")[0]
                self._prepared[name] = message
                self._expected.append((name, False))
            case b"C" if message[5:6] == b"S":
                self._prepared.pop(message[6:-1], None)
                self._present.discard(message[6:-1])
            case b"B":
                yield from self._prepare(message[5:].split(b"\0", 2)[1])
            case b"D" if message[5:6] == b"S":
                yield from self._prepare(message[6:-1])
        yield message

    def _prepare(self, name: bytes) -> Iterator[bytes]:
        """Yield the message that prepares a named statement, unless this session has already prepared it."""
        expected = {statement for statement, _ in self._expected}
        if name and name in self._prepared and name not in self._present | expected:
            self._expected.append((name, True))
            yield self._prepared[name]


def _connect(unit: Endpoint) -> socket.socket:
    """Connect to the Unix socket of the server that contains a unit."""
    query = parse_qs(urlsplit(unit["socket_url"]).query)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}")
    return connection
