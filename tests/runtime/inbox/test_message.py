"""The content of messages, also of messages that are not valid."""

from __future__ import annotations

import base64
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.recursion import frame_limit
from fakes.samples import every
from infra_runtime.inbox.message import Message, parse, read_headers

ENVELOPE: dict[str, Any] = {
    "id": 1,
    "received": 0.0,
    "sender": "a@example.test",
    "recipients": ["b@example.test"],
}


def parsed(raw: bytes | str) -> Message:
    return parse(raw.encode() if isinstance(raw, str) else raw, ENVELOPE)


def test_text_html_and_attachments_are_separate() -> None:
    mail = EmailMessage()
    mail["Subject"] = "Größe"
    mail.set_content("Hallö\n")
    mail.add_alternative("<b>Hallö</b>\n", subtype="html")
    mail.add_attachment(b"\0\1", maintype="application", subtype="pdf", filename="ä b.pdf")
    mail.add_attachment("a;b\n", subtype="csv", filename="list.csv")

    message = parsed(bytes(mail).replace(b"\n", b"\r\n"))

    assert (message.subject, message.text, message.html) == ("Größe", "Hallö\n", "<b>Hallö</b>\n")
    assert [(part.name, part.type, part.content.strip(), part.size) for part in message.attachments] == [
        ("ä b.pdf", "application/pdf", b"\0\1", 2),
        ("list.csv", "text/csv", b"a;b", 5),
    ]
    assert message.sender == "a@example.test"
    assert message.recipients == ("b@example.test",)


def test_a_text_file_is_an_attachment_and_not_part_of_the_text() -> None:
    mail = EmailMessage()
    mail.set_content("Hello\n")
    mail.add_attachment("notes\n", filename="notes.txt")

    message = parsed(bytes(mail))

    assert message.text == "Hello\n"
    assert [part.name for part in message.attachments] == ["notes.txt"]


def test_an_image_in_the_html_has_a_content_id() -> None:
    mail = EmailMessage()
    mail.set_content("<img src='cid:logo@shop'>", subtype="html")
    mail.add_related(b"png", "image", "png", cid="<logo@shop>")

    (image,) = parsed(bytes(mail)).attachments

    assert (image.content_id, image.type, image.content) == ("logo@shop", "image/png", b"png")


def test_an_attached_message_is_one_attachment() -> None:
    inner = EmailMessage()
    inner["Subject"] = "inner"
    inner.set_content("inner text\n")
    outer = EmailMessage()
    outer.set_content("outer text\n")
    outer.add_attachment(inner)

    message = parsed(bytes(outer))

    assert message.text == "outer text\n"
    assert [(part.type, b"inner text" in part.content) for part in message.attachments] == [
        ("message/rfc822", True)
    ]


def test_headers_are_decoded_and_compared_without_case() -> None:
    headers = read_headers(
        "Subject: =?utf-8?q?Gr=C3=B6?= =?utf-8?b?w59l?=\r\n of a\r\n\tshoe\r\n"
        "Received: one\r\nreceived: two\r\nX-Utf8: Größe\r\n\r\nBody: no\r\n".encode()
    )

    assert headers["SUBJECT"] == "Größe of a\tshoe"
    assert headers.all("Received") == ["one", "two"]
    assert headers["Received"] == "one"
    assert headers["x-utf8"] == "Größe"
    assert "Body" not in headers
    assert list(headers) == ["Subject", "Received", "received", "X-Utf8"]


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("=?utf-8?b?%%%?=", ""),
        ("=?none?q?a=FF?= b", "a\ufffd b"),
        ("=?utf-8?q?a=FF?=", "a\ufffd"),
        ("=?utf-8", "=?utf-8"),
        ("=?hex?q?a?=", "a"),
    ],
)
def test_an_encoded_word_that_is_not_valid_has_readable_text(header: str, text: str) -> None:
    assert read_headers(f"Subject: {header}\n\n".encode())["Subject"] in {text, header}


@every(["none-such", "hex", "undefined", "idna", "a\0b", "utf-8''", '"', ""])
def test_a_text_with_an_unknown_charset_is_read_as_utf_8(charset: str) -> None:
    raw = f'Content-Type: text/plain; charset="{charset}"\n\nGröße \xff'.encode()

    assert parsed(raw).text.startswith("Größe")


def test_undecodable_bytes_are_replaced() -> None:
    message = parsed(b"Subject: \xff\nContent-Type: text/plain; charset=ascii\n\n\xff\xfe")

    assert message.subject == "\ufffd"
    assert message.text == "\ufffd\ufffd"


@every(
    [
        b"",
        b"\r\n",
        b"no headers at all",
        b": empty name\n\nx",
        b"Content-Type: multipart/mixed\n\nno boundary",
        b"Content-Type: multipart/mixed; boundary=x\n\n--x\n--x\n--x--",
        b"Content-Type: multipart/mixed; boundary=x\nContent-Transfer-Encoding: base64\n\n--x\n\na",
        b"Content-Type: message/rfc822\n\n",
        b"Content-Type: text/plain; charset*=x'y'%\nContent-Transfer-Encoding: uuencode\n\n\xff",
        b"Content-Transfer-Encoding: base64\n\nYQ=====",
        b"Content-Type: ;;;\nContent-Disposition: =?x\n\n\x00",
        b"Content-Disposition: attachment; filename*0*=%; filename*1=\xff\n\nx",
        b"Subject: a\n\x00\n\n",
    ]
)
def test_a_message_that_is_not_valid_is_read(raw: bytes) -> None:
    message = parsed(raw)

    assert message.raw == raw
    message.text.encode()


@pytest.mark.parametrize("parameter", [b"", b"; boundary=x"])
def test_parts_that_cannot_be_separated_are_text(parameter: bytes) -> None:
    message = parsed(b"Content-Type: multipart/mixed" + parameter + b"\r\n\r\nhello\r\n")

    assert (message.text, message.attachments) == ("hello\n", ())


def test_a_message_with_deeply_nested_parts_is_shown_as_it_is() -> None:
    raw = b"Subject: deep\n"
    for number in range(300):
        raw += b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (number, number)

    with frame_limit(150):
        message = parsed(raw)

    assert message.subject == "deep"
    assert "boundary=299" in message.text


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"Content-Type: ", b"Subject: =?", b"Content-Type: text/html;"]),
)
def test_no_bytes_raise_an_error(raw: bytes, beginning: bytes) -> None:
    message = parsed(beginning + raw)

    assert isinstance(message.text + message.html + message.subject, str)


def test_an_encoded_attachment_is_decoded() -> None:
    content = base64.encodebytes(bytes(range(256))).decode()
    raw = f"Content-Type: application/x\nContent-Transfer-Encoding: base64\n\n{content}"

    assert [part.content for part in parsed(raw).attachments] == [bytes(range(256))]
