"""Probes: data that describe how the supervisor checks that a service is ready.

The texts of an `Exchange` represent bytes as text, so that JSON can store them: `\\r`, `\\n`, `\\t`, `\\0`,
`\\\\` and `\\xNN` are escapes; other characters represent their bytes in UTF-8. The function `escape`
converts bytes to such a text. The texts can contain references; the values of references are sent without
changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Literal, TypeAlias

from infra_runtime.spec.references import ESCAPED
from infra_runtime.value import frozen

#: the time limit in seconds of one attempt of a probe without a field `timeout`; the supervisor repeats the
#: attempts until the time limit of the service's start
PATIENCE = 2.0
#: the default of `Expect.limit` in bytes; the line INFO of a NATS cluster has some kilobytes
LONGEST_ANSWER = 65536

_SHORT = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
_ESCAPE = r"(?s)\\(?:x([0-9A-Fa-f]{2})|(.?))"


def unescape(text: str) -> bytes:
    """Return the bytes that a text with escapes represents. Raises `ValueError` for an unknown escape."""
    parts, end = [], 0
    for match in re.finditer(_ESCAPE, text):
        if not match[1] and match[2] not in _SHORT:
            raise ValueError(
                rf"unknown escape {match[0]!r} in {text!r}; the escapes are \r, \n, \t, \0, \\ or \xNN"
            )
        parts += [_utf8(text[end : match.start()]), bytes.fromhex(match[1]) if match[1] else _SHORT[match[2]]]
        end = match.end()
    return b"".join((*parts, _utf8(text[end:])))


def escape(data: bytes) -> str:
    """Return a text with escapes that represents these bytes; `unescape` converts it to the bytes again.

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

    Use this probe for services whose protocol has no other probe.
    """

    port: str


@frozen
class HttpProbe:
    """A probe: the service is ready when the answer to a GET request has an accepted status and body.

    The status must be between the two numbers in `status` (inclusive), and the body must contain `contains`.
    """

    port: str
    path: str = "/"
    status: tuple[int, int] = (200, 399)
    contains: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    #: whether the request uses HTTPS; a child process sends the request, because the supervisor does not
    #: import ssl
    tls: bool = False
    #: the path of a file with the certificate of the certificate authority; empty: the server's certificate
    #: is not verified
    ca: str = ""
    #: the server name that the client sends in the TLS handshake; a verified certificate must contain this
    #: name
    server_name: str = "localhost"


@frozen
class PostgresProbe:
    """A probe: the service is ready when it answers a start-up packet with an authentication request.

    While PostgreSQL starts, it answers with the error 57P03 instead. With another error, it is ready, too.

    Source: PostgreSQL documentation, "Frontend/Backend Protocol", "Message Flow".
    """

    port: str
    user: str
    database: str
    #: the password that the probe sets for `user` if this user has no password yet; the probe connects to the
    #: Unix socket in the folder `socket`. Empty: the probe sets no password
    password: str = ""
    socket: str = ""
    #: the number of iterations of the password's hash; one is enough for a random password, but clients may
    #: require 4096
    iterations: int = 4096


@frozen
class ExecProbe:
    """A probe: the service is ready when a command exits with 0 within `timeout` seconds."""

    command: tuple[str, ...]
    timeout: float = 5.0


@frozen
class Send:
    """The step of an `Exchange` that sends bytes; `text` represents the bytes with escapes."""

    text: str = field(metadata=ESCAPED)

    def __post_init__(self) -> None:
        unescape(self.text)


@frozen
class LengthPrefix:
    """The length field in the header of a message, from which the end of the message is computed.

    The field has `size` bytes at the offset `at`. The number of bytes of the message is the number in the
    field plus `extra`, the number of bytes that the field does not count, such as those of the header.
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

    From the offset `at`, the message must begin with one of `prefixes`; and it must contain `contains`.

    If it begins there with a key of `not_yet`, the service is not ready, and the value of this key is the
    reason. In the reason, `{answer}` is replaced by the longest readable part of the message.
    """

    #: the allowed beginnings of the message, as escaped texts; if empty, every beginning is allowed
    prefixes: tuple[str, ...] = field(default=(), metadata=ESCAPED)
    #: the offset in the message at which prefixes, `not_yet` and `skip` are compared
    at: int = 0
    #: the end of the message: a delimiter (a text with escapes), or the length field in the header
    until: str | LengthPrefix = field(default="\\n", metadata=ESCAPED)
    not_yet: Mapping[str, str] = field(default_factory=dict)
    #: messages with these prefixes are read and ignored, such as the first lines of a long answer
    skip: tuple[str, ...] = field(default=(), metadata=ESCAPED)
    contains: str = field(default="", metadata=ESCAPED)
    #: the greatest number of bytes of the message and of all skipped messages together
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
    #: the time limit of all steps together in seconds
    timeout: float = PATIENCE

    def __post_init__(self) -> None:
        if not any(isinstance(step, Expect) for step in self.steps):
            raise ValueError("an Exchange needs an Expect")


#: the probes that connect to one port
PortProbe: TypeAlias = TcpProbe | HttpProbe | PostgresProbe | Exchange
Probe: TypeAlias = PortProbe | ExecProbe
#: the type of the request for a service to write its data in memory to its files, before a snapshot
Quiesce: TypeAlias = Exchange
