"""Probes: data that describes how the supervisor checks that a service is ready.

The texts of an `Exchange` represent bytes in a form that JSON can store: `\\r`, `\\n`, `\\t`, `\\0`, `\\\\`
and `\\xNN` are escapes, any other character stands for its UTF-8 bytes. The texts may contain references; the
value of a reference is sent unchanged. `escape` converts bytes to such a string.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Literal, TypeAlias

from infra_runtime.spec.references import ESCAPED
from infra_runtime.value import frozen

#: seconds for one attempt of a probe; the supervisor repeats attempts until the service's start times out
PATIENCE = 2.0
#: bytes that one `Expect` reads at most; a NATS cluster's INFO line has some kilobytes
LONGEST_ANSWER = 65536

_SHORT = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
_ESCAPE = r"(?s)\\(?:x([0-9A-Fa-f]{2})|(.?))"


def unescape(text: str) -> bytes:
    """Return the bytes that a string with escapes represents. Raises `ValueError` for an unknown escape."""
    parts, end = [], 0
    for match in re.finditer(_ESCAPE, text):
        if not match[1] and match[2] not in _SHORT:
            raise ValueError(rf"unknown escape {match[0]!r} in {text!r}; use \r, \n, \t, \0, \\ or \xNN")
        parts += [_utf8(text[end : match.start()]), bytes.fromhex(match[1]) if match[1] else _SHORT[match[2]]]
        end = match.end()
    return b"".join((*parts, _utf8(text[end:])))


def escape(data: bytes) -> str:
    """Return a string with escapes that represents these bytes; `unescape` returns the bytes again.

    Dollar signs are escaped, so that the text contains no reference.
    """
    return "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in "\\$" else f"\\x{byte:02x}" for byte in data
    )


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@frozen
class TcpProbe:
    """A probe: the service is ready when its port accepts a connection.

    It is for services whose protocol has no other probe.
    """

    port: str


@frozen
class HttpProbe:
    """A probe: the service is ready when a GET request returns an accepted status and an accepted body.

    The status is within `status` (inclusive), and the body contains `contains`.
    """

    port: str
    path: str = "/"
    status: tuple[int, int] = (200, 399)
    contains: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    #: whether the request uses HTTPS; a child process sends it, because the supervisor does not import ssl
    tls: bool = False
    #: the path of a file with the authority's certificate; empty: the server's certificate is not verified
    ca: str = ""
    #: the server name that the client sends in the TLS handshake and compares with a verified certificate
    server_name: str = "localhost"


@frozen
class PostgresProbe:
    """A probe: the service is ready when it answers a start-up packet with an authentication request.

    While PostgreSQL starts, it answers with the error 57P03 instead.

    Source: PostgreSQL documentation, "Frontend/Backend Protocol", message flow of start-up.
    """

    port: str
    user: str
    database: str
    #: the password that the probe sets for `user` through the Unix socket in the folder `socket`, if the user
    #: has no password; the service is ready afterwards. Empty: no password is set
    password: str = ""
    socket: str = ""
    #: rounds of the password's hash; a random password needs one, but clients may require 4096
    iterations: int = 4096


@frozen
class ExecProbe:
    """A probe: the service is ready when a command exits with 0 within `timeout` seconds."""

    command: tuple[str, ...]
    timeout: float = 5.0


@frozen
class Send:
    """The step of an `Exchange` that sends bytes; `text` is their escaped text."""

    text: str = field(metadata=ESCAPED)

    def __post_init__(self) -> None:
        unescape(self.text)


@frozen
class LengthPrefix:
    """The length field in the header of a message, by which the reader finds the end of the message.

    The field has `size` bytes at the offset `at`. The length of the message is the number in the field plus
    `extra`. `extra` is the number of bytes that the field does not count, such as the header; 0 if it counts
    all bytes of the message.
    """

    size: int = 4
    order: Literal["big", "little"] = "big"
    at: int = 0
    extra: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.size <= 8 or self.at < 0:
            raise ValueError(f"a length prefix must have 1 to 8 bytes and an offset of 0 or more: {self}")


@frozen
class Expect:
    """The step of an `Exchange` that reads one message of the service and checks it.

    The message must begin with one of `prefixes` and contain `contains`.

    A message that begins with a key of `not_yet` means that the service is not ready yet. The value of the
    key is the reason; the longest readable part of the message replaces `{answer}` in the reason.
    """

    #: the allowed beginnings of the message, as escaped texts; if empty, every beginning is allowed
    prefixes: tuple[str, ...] = field(default=(), metadata=ESCAPED)
    #: the offset in the message at which prefixes, `not_yet` and `skip` are compared
    at: int = 0
    #: how the message ends: with an escaped delimiter, or after a length that its header contains
    until: str | LengthPrefix = field(default="\\n", metadata=ESCAPED)
    not_yet: Mapping[str, str] = field(default_factory=dict)
    #: messages with these prefixes are read and ignored, such as the first lines of a long answer
    skip: tuple[str, ...] = field(default=(), metadata=ESCAPED)
    contains: str = field(default="", metadata=ESCAPED)
    #: the maximum number of bytes of the message and of the messages that are skipped before it
    limit: int = LONGEST_ANSWER

    def __post_init__(self) -> None:
        if not (self.prefixes or self.contains):
            raise ValueError("an Expect needs `prefixes` or `contains`")
        if self.until == "":
            raise ValueError("the delimiter `until` is empty")
        if self.at < 0 or self.limit < 1:
            raise ValueError("`at` must be 0 or more, and `limit` must be 1 or more")
        delimiter = self.until if isinstance(self.until, str) else ""
        for text in (*self.prefixes, *self.not_yet, *self.skip, self.contains, delimiter):
            unescape(text)


@frozen
class Exchange:
    """A probe: the service is ready when all steps succeed, in their order, on one connection to a port."""

    port: str
    steps: tuple[Send | Expect, ...]
    #: seconds for all steps together
    timeout: float = PATIENCE

    def __post_init__(self) -> None:
        if not any(isinstance(step, Expect) for step in self.steps):
            raise ValueError("an Exchange needs an Expect")


#: the probes that connect to one port
PortProbe: TypeAlias = TcpProbe | HttpProbe | PostgresProbe | Exchange
Probe: TypeAlias = PortProbe | ExecProbe
#: the type of a request that makes a service write its data from memory to its files, before a snapshot
Quiesce: TypeAlias = Exchange
