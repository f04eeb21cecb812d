"""Probes: how the supervisor finds out that a service is ready, as data.

The texts of an `Exchange` are bytes in a form that survives JSON: `\\r`, `\\n`, `\\t`, `\\0`, `\\\\` and
`\\xNN` are escapes, any other character is its UTF-8 bytes. References may stand in them; a reference's
value is sent as it is. `escape` writes such a text from bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from infra_runtime.spec.references import ESCAPED

#: seconds for one attempt of a probe; the supervisor asks again until the service's start times out
PATIENCE = 2.0
#: bytes that one `Expect` reads at most; a NATS cluster's INFO line has some kilobytes
LONGEST_ANSWER = 65536

_SHORT = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|(.?))", re.DOTALL)


def unescape(text: str) -> bytes:
    """Return the bytes that an escaped text stands for. Raises `ValueError` for an unknown escape."""
    parts, end = [], 0
    for match in _ESCAPE.finditer(text):
        if not match[1] and match[2] not in _SHORT:
            raise ValueError(rf"unknown escape {match[0]!r} in {text!r}; use \r, \n, \t, \0, \\ or \xNN")
        parts += [_utf8(text[end : match.start()]), bytes.fromhex(match[1]) if match[1] else _SHORT[match[2]]]
        end = match.end()
    return b"".join((*parts, _utf8(text[end:])))


def escape(data: bytes) -> str:
    """Return the escaped text of bytes. A dollar sign is escaped, too: it starts no reference."""
    return "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in "\\$" else f"\\x{byte:02x}" for byte in data
    )


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpProbe:
    """Ready when the port accepts a connection. The weakest probe: for protocols without a better one."""

    port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProbe:
    """Ready when a GET returns a status within `status` (inclusive) and a body that contains `contains`."""

    port: str
    path: str = "/"
    status: tuple[int, int] = (200, 399)
    contains: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    #: HTTPS; a child process of the supervisor sends the request, because the supervisor imports no ssl
    tls: bool = False
    #: the path of a file with the authority's certificate; empty: the server's certificate is not verified
    ca: str = ""
    #: the name that the client asks for in the TLS handshake, and that a verified certificate contains
    server_name: str = "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresProbe:
    """Ready when a start-up packet is answered with a request for authentication (not with 57P03, starting).

    Source: PostgreSQL documentation, "Frontend/Backend Protocol", message flow of start-up.
    """

    port: str
    user: str
    database: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecProbe:
    """Ready when a command exits with 0 within `timeout` seconds."""

    command: tuple[str, ...]
    timeout: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send an escaped text."""

    text: str = field(metadata=ESCAPED)

    def __post_init__(self) -> None:
        unescape(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthPrefix:
    """The end of a message whose header contains its length: `extra` bytes more than the number at `at`.

    `extra` is the size of what the number does not count: the header itself, a byte after the message;
    0 where the number counts the whole message.
    """

    size: int = 4
    order: Literal["big", "little"] = "big"
    at: int = 0
    extra: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.size <= 8 or self.at < 0:
            raise ValueError(f"a length prefix has 1 to 8 bytes at an offset of 0 or more: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """Read one message and compare it: it begins with one of `prefixes` and contains `contains`.

    A message that begins with a key of `not_yet` is a reason to wait; its value is the reason, where
    `{answer}` stands for the longest readable part of the message.
    """

    #: escaped texts; empty: any beginning
    prefixes: tuple[str, ...] = field(default=(), metadata=ESCAPED)
    #: the offset in the message at which prefixes, `not_yet` and `skip` are compared
    at: int = 0
    #: the end of a message: an escaped delimiter, or a length in its header
    until: str | LengthPrefix = field(default="\\n", metadata=ESCAPED)
    not_yet: Mapping[str, str] = field(default_factory=dict)
    #: messages with these prefixes are read and ignored: the first lines of an answer with several
    skip: tuple[str, ...] = field(default=(), metadata=ESCAPED)
    contains: str = field(default="", metadata=ESCAPED)
    #: bytes of the message and of those that are skipped before it
    limit: int = LONGEST_ANSWER

    def __post_init__(self) -> None:
        if not (self.prefixes or self.contains):
            raise ValueError("an Expect needs `prefixes` or `contains`")
        if self.until == "":
            raise ValueError("the delimiter `until` is empty")
        if self.at < 0 or self.limit < 1:
            raise ValueError("`at` is 0 or more, and `limit` is 1 or more")
        delimiter = self.until if isinstance(self.until, str) else ""
        for text in (*self.prefixes, *self.not_yet, *self.skip, self.contains, delimiter):
            unescape(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Ready when a connection to the port sends and receives what the steps describe, in their order."""

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
#: what makes a service write its memory to its files, before a snapshot copies them
Quiesce: TypeAlias = Exchange
