"""Read a message in MIME format: headers, text, HTML and attachments.

No input raises an error: characters that cannot be decoded are replaced by U+FFFD, or the text is returned as
it was received.

Sources: RFC 5322 (messages), RFC 2045 to 2047 (MIME), RFC 2183 (Content-Disposition), RFC 2231 (parameters).
"""

from __future__ import annotations

import email
import email.errors
import email.header
import email.message
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from infra_runtime.value import frozen

_FOLD = re.compile(r"\r?\n(?=[ \t])")
_LINE_END = re.compile(rb"\r\n?")
#: the name of the charset that the standard library returns for header bytes outside ASCII
_UNKNOWN = "unknown-8bit"
#: the type of a part whose type is missing or cannot be read
_DEFAULT_TYPE = "application/octet-stream"


class Headers(Mapping[str, str]):
    """The headers of a message with decoded values; names are compared without regard to case.

    If a header occurs several times, `headers[name]` is its first value, and `all` returns all values.
    """

    def __init__(self, pairs: tuple[tuple[str, str], ...]) -> None:
        #: pairs of name and value in the order of the message
        self.pairs = pairs
        self._first: dict[str, str] = {}
        for name, value in pairs:
            self._first.setdefault(name.lower(), value)

    def __getitem__(self, name: str) -> str:
        return self._first[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self.pairs))

    def __len__(self) -> int:
        return len(self._first)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._first

    def all(self, name: str) -> list[str]:
        """Return all values of a header, in the order of the message."""
        return [value for header, value in self.pairs if header.lower() == name.lower()]

    def __repr__(self) -> str:
        return f"Headers({self.pairs!r})"


@frozen
class Attachment:
    """A part of a message except its text and its HTML: a file, or an image inside the HTML."""

    #: the file name from the sender, which can contain any character; empty without a name
    name: str
    #: the media type in lower case, such as `application/pdf`
    type: str
    content: bytes = field(repr=False)
    #: the id of the part in links of the HTML (`cid:…`), without angle brackets; empty without an id
    content_id: str = ""

    @property
    def size(self) -> int:
        """The number of bytes of the decoded content."""
        return len(self.content)


@frozen
class Message:
    """A message that the server has received: its envelope and its decoded content."""

    #: a number that is greater than the numbers of all earlier messages
    id: int
    #: seconds since 1970
    received: float
    #: the sender in the envelope (`MAIL FROM`); empty for a bounce message
    sender: str
    #: the recipients in the envelope (`RCPT TO`), including those of `Bcc`
    recipients: tuple[str, ...]
    subject: str
    headers: Headers
    #: the text of all parts of the type `text/plain` that are not files, with `\n` as the line end; the whole
    #: message if its parts cannot be separated
    text: str
    #: the content of all HTML parts that are not files; empty without such parts
    html: str
    attachments: tuple[Attachment, ...] = ()
    #: the bytes of the message, as the client has sent them
    raw: bytes = field(default=b"", repr=False)


def parse(raw: bytes, envelope: Mapping[str, Any]) -> Message:
    """Return the message in the bytes `raw`; `envelope` is the summary of the message in the JSON API."""
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    attachments: list[Attachment] = []
    try:
        mime = email.message_from_bytes(raw)
        headers = _headers(mime)
        for part in _leaves(mime):
            content = _content(part)
            kind = part.get_content_type()
            if kind.startswith("multipart/"):  # the parts of the message cannot be separated
                kind = "text/plain"
            if kind in texts and not _is_file(part):
                texts[kind].append(_text(_LINE_END.sub(b"\n", content), part.get_param("charset")))
            else:
                attachments.append(_attachment(part, content))
    except Exception:  # noqa: BLE001 - the parser fails for some messages, for example if parts are nested deeply
        headers = read_headers(raw)
        texts = {"text/plain": [_text(_LINE_END.sub(b"\n", raw), None)], "text/html": []}
        attachments = []
    return Message(
        id=envelope["id"],
        received=envelope["received"],
        sender=envelope["sender"],
        recipients=tuple(envelope["recipients"]),
        subject=headers.get("Subject", ""),
        headers=headers,
        text="".join(texts["text/plain"]),
        html="".join(texts["text/html"]),
        attachments=tuple(attachments),
        raw=raw,
    )


def read_headers(raw: bytes) -> Headers:
    """Return the headers of a message without reading its parts."""
    end_of_headers = re.search(rb"\r?\n\r?\n", raw)
    try:
        return _headers(email.message_from_bytes(raw[: end_of_headers.end()] if end_of_headers else raw))
    except Exception:  # noqa: BLE001 - a message without readable headers is stored, too
        return Headers(())


def _headers(mime: email.message.Message) -> Headers:
    return Headers(tuple((name, decoded(str(value))) for name, value in mime.raw_items()))


def decoded(value: str) -> str:
    """Return the text of a header's value: unfolded, and with its encoded words decoded.

    Bytes outside ASCII, which the standard library represents by surrogates, are read as UTF-8.
    """
    value = _FOLD.sub("", value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")).strip()
    if "=?" not in value:
        return value
    try:
        words = email.header.decode_header(value)
    except (ValueError, email.errors.HeaderParseError):
        return value
    return "".join(word if isinstance(word, str) else _text(word, charset) for word, charset in words)


def _leaves(mime: email.message.Message) -> Iterator[email.message.Message]:
    """Yield the parts without inner parts, in their order; an attached message is a single part."""
    waiting = [mime]
    while waiting:
        part = waiting.pop()
        if part.is_multipart() and part.get_content_maintype() == "multipart":
            waiting.extend(reversed(_inner(part)))
        else:
            yield part


def _inner(part: email.message.Message) -> list[email.message.Message]:
    payload: object = part.get_payload()
    return (
        [inner_part for inner_part in payload if isinstance(inner_part, email.message.Message)]
        if isinstance(payload, list)
        else []
    )


def _content(part: email.message.Message) -> bytes:
    if part.is_multipart():  # an attached message
        return b"\n".join(message.as_bytes() for message in _inner(part))
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _is_file(part: email.message.Message) -> bool:
    return part.get_content_disposition() == "attachment" or bool(part.get_filename())


def _attachment(part: email.message.Message, content: bytes) -> Attachment:
    kind = part.get_content_type() if part["Content-Type"] else _DEFAULT_TYPE
    return Attachment(
        name=decoded(str(part.get_filename() or "")),
        type=kind,
        content=content,
        content_id=decoded(str(part["Content-ID"] or "")).strip("<> "),
    )


def _text(content: bytes, charset: object) -> str:
    """Return decoded bytes; if the charset is unknown or missing, it is UTF-8.

    Undecodable bytes become U+FFFD.
    """
    # A parameter in the format of RFC 2231 is a tuple, whose last item is the value.
    name = charset[-1] if isinstance(charset, tuple) else charset
    try:
        if isinstance(name, str) and name != _UNKNOWN:
            return content.decode(name, "replace")
    except (LookupError, ValueError):
        pass
    return content.decode("utf-8", "replace")
