"""The mail server: what it accepts over SMTP, and what its inbox contains."""

from __future__ import annotations

import http.client
import json
import smtplib
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

import infra_runtime as infra
from fakes.engine import spec_of
from fakes.suite import free_port
from infra_runtime.binaries import locate
from infra_runtime.catalogue import entry
from infra_runtime.engines.local.stack import Endpoint, Stack
from infra_runtime.errors import BinaryMissingError
from kinds.distribution import installed

#: seconds that the server has for an answer
PATIENCE = 60.0
#: bytes of a message that the shared server accepts
LIMIT = 100_000


def test_messages_are_written_to_the_disk_only_outside_of_tests() -> None:
    assert "--durable" in spec_of("mail").command
    assert "--durable" not in spec_of("mail", durable=False).command
    assert entry("mail").defaults == {"test": {"durable": False}}


def test_the_limits_are_arguments_of_the_server_and_of_the_container() -> None:
    spec = spec_of("mail", max_messages=5, max_bytes=6, max_message_bytes=7)

    assert {"--max-messages=5", "--max-bytes=6", "--max-message-bytes=7"} <= set(spec.command)
    assert spec.container is not None
    assert spec.container.env["MP_MAX_MESSAGES"] == "5"


def test_a_missing_library_is_reported_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    (binary,) = entry("mail").binaries

    with pytest.raises(BinaryMissingError) as error:
        locate(binary)

    assert "aiosmtpd: not found" in str(error.value)
    assert "pytest-infra[mail]" in error.value.hint


# --- the real server -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A server with a small limit, which the tests share."""
    folder = tmp_path_factory.mktemp("shared")
    settings = {"services": {"mail": {"max_message_bytes": LIMIT}}}
    with (
        installed("mail", folder),
        infra.start(
            "mail", environment="test", directory=folder, data=folder / "data", overrides=settings
        ) as stack,
    ):
        yield stack


@pytest.fixture
def server(shared: Stack) -> Iterator[Endpoint]:
    """The shared server; its messages are deleted after the test."""
    yield shared.mail
    ask(shared.mail, "/api/messages", "DELETE")


def smtp(server: Endpoint) -> smtplib.SMTP:
    return smtplib.SMTP(server.host, int(server.port), timeout=PATIENCE)


def send(
    server: Endpoint, raw: bytes = b"Subject: Hello\r\n\r\ntext", sender: str = "a@example.test"
) -> None:
    with smtp(server) as client:
        client.sendmail(sender, ["b@example.test"], raw)


def ask(server: Endpoint, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(server.host, int(server["inbox_port"]), timeout=PATIENCE)
    connection.request(
        method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    response = connection.getresponse()
    return response.status, response.read()


def messages(server: Endpoint, query: str = "") -> list[dict[str, Any]]:
    status, body = ask(server, f"/api/messages?{query}")
    assert status == 200, body
    return json.loads(body)["messages"]


@pytest.mark.real("mail")
def test_a_real_server_accepts_each_address_login_and_extension(server: Endpoint) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "größe@example.test", "b@example.test", "Grüße"
    message.set_content("Hallö\n", cte="8bit")

    with smtp(server) as client:
        client.ehlo()
        extensions = set(client.esmtp_features)
        client.login("any user", "any password")
        client.send_message(message, to_addrs=["b@example.test", "c@example.test"])
        client.sendmail("", ["<bounce@example.test>"], b"Subject: bounce\r\n\r\n")
    for mechanism in ("PLAIN", "LOGIN"):
        with smtp(server) as client:
            client.ehlo()
            client.user, client.password = "user", "x" * 500
            client.auth(mechanism, getattr(client, f"auth_{mechanism.lower()}"))
            client.sendmail("a@example.test", ["d@example.test"], mechanism.encode())

    assert {"size", "8bitmime", "smtputf8", "auth"} <= extensions
    received = messages(server)
    assert [(one["sender"], one["subject"], one["login"]) for one in received] == [
        ("größe@example.test", "Grüße", "any user"),
        ("", "bounce", "any user"),
        ("a@example.test", "", "user"),
        ("a@example.test", "", "user"),
    ]
    assert received[0]["recipients"] == ["b@example.test", "c@example.test"]
    _, body = ask(server, f"/api/messages/{received[0]['id']}")
    assert json.loads(body)["text"] == "Hallö\n"


@pytest.mark.real("mail")
def test_a_real_server_refuses_what_exceeds_its_limits_and_continues(server: Endpoint) -> None:
    with smtp(server) as client:
        client.ehlo()
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            client.sendmail("a@example.test", ["b@example.test"], b"x" * (LIMIT + 1))
        assert refused.value.smtp_code == 552
    with smtp(server) as client:
        client.helo()  # without extensions, the client does not send the size
        with pytest.raises(smtplib.SMTPDataError):
            client.sendmail("a@example.test", ["b@example.test"], b"short line\r\n" * 10_000)
        with pytest.raises(smtplib.SMTPDataError):
            client.sendmail("a@example.test", ["b@example.test"], b"x" * 70_000)
        client.sendmail("a@example.test", ["b@example.test"], b"Subject: x\r\n\r\n" + b"x" * 60_000)
    with smtp(server) as client:
        client.ehlo()
        client.mail("a@example.test")
        codes = [client.rcpt(f"{number}@example.test")[0] for number in range(1001)]
    assert codes == [250] * 1000 + [452]

    assert [message["subject"] for message in messages(server)] == ["x"]


@pytest.mark.real("mail")
def test_a_real_server_closes_a_connection_that_sends_a_line_without_an_end(server: Endpoint) -> None:
    with socket.create_connection((server.host, int(server.port)), PATIENCE) as client:
        client.sendall(b"EHLO a\r\nMAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n")

        with pytest.raises(ConnectionError):
            client.sendall(b"x" * 100_000_000)

    send(server)
    assert len(messages(server)) == 1


@pytest.mark.real("mail")
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe\0",
        b"Subject: =?none?b?%%%?=\r\nContent-Type: text/html; charset=none\r\n\r\n\xff",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n--x",
        b"".join(b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (n, n) for n in range(1500)),
    ],
    ids=["empty", "bytes", "charset", "parts", "nested"],
)
def test_a_real_server_shows_messages_that_are_not_valid(server: Endpoint, raw: bytes) -> None:
    send(server, raw)

    (message,) = messages(server)
    for part in ("", "/html", "/raw"):
        status, body = ask(server, f"/api/messages/{message['id']}{part}")
        assert status == 200, body


@pytest.mark.real("mail")
@pytest.mark.parametrize("data", [b"\r\n\r\n", b"\x16\x03\x01" * 100, b"GET / HTTP/1.1\r\n", b"x" * 100_000])
def test_a_real_server_survives_bytes_that_are_not_a_request(server: Endpoint, data: bytes) -> None:
    for port in (int(server["inbox_port"]), int(server.port)):
        with socket.create_connection((server.host, port), PATIENCE) as client:
            client.sendall(data)
    send(server)

    assert len(messages(server)) == 1
    assert ask(server, "/health")[0] == 200


@pytest.mark.real("mail")
def test_a_real_server_answers_only_its_own_web_page(server: Endpoint) -> None:
    send(server)

    assert ask(server, "/api/messages", Host="rebound.example.com")[0] == 403
    assert ask(server, "/api/messages", "DELETE", Origin="http://example.com")[0] == 403
    assert ask(server, "/")[0] == 200
    assert len(messages(server)) == 1


@pytest.mark.real("mail")
def test_a_real_server_answers_a_waiting_request_and_removes_a_closed_request(server: Endpoint) -> None:
    address = server.host, int(server["inbox_port"])
    request = b"GET /api/messages?wait=60&subject=Hello HTTP/1.1\r\nHost: localhost\r\n\r\n"

    with socket.create_connection(address, PATIENCE) as closed:
        closed.sendall(request)
    with socket.create_connection(address, PATIENCE) as waiting:
        waiting.sendall(request)
        send(server)
        answer = b"".join(iter(lambda: waiting.recv(65536), b""))

    assert b'"subject": "Hello"' in answer


@pytest.mark.real("mail")
def test_a_real_server_keeps_its_messages_when_it_restarts(run) -> None:
    ports = {"smtp": free_port(), "http": free_port()}
    stack = run("mail", environment="development", ports=ports, max_messages=2)
    for subject in ("1", "2", "3"):
        send(stack.mail, f"Subject: {subject}\r\n\r\n".encode())
    before = messages(stack.mail)

    stack.restart("mail")

    assert messages(stack.mail) == before
    assert [message["subject"] for message in before] == ["2", "3"]


@pytest.mark.real("mail")
def test_a_real_server_refuses_a_message_that_it_cannot_store(run) -> None:
    stack = run("mail")
    folder = Path(stack.mail.data) / "messages"
    folder.rmdir()

    with pytest.raises(smtplib.SMTPDataError) as error:
        send(stack.mail)

    assert error.value.smtp_code == 452
    folder.mkdir()
    send(stack.mail)
    assert len(messages(stack.mail)) == 1
