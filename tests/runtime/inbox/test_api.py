"""The answers of the inbox: the JSON API, and the parts of messages that a browser shows."""

from __future__ import annotations

import asyncio
import json
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from infra_runtime.inbox.api import Api
from infra_runtime.inbox.requests import Request, RequestError, Response
from infra_runtime.inbox.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "messages", max_messages=10, max_bytes=10_000_000)
    store.load()
    return store


def add(store: Store, mail: EmailMessage, recipient: str = "b@example.test") -> int:
    return asyncio.run(store.add(bytes(mail), sender="a@example.test", recipients=[recipient])).id


def mail_with_attachment(name: str = "a.txt", kind: str = "plain") -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = "Hello"
    mail.set_content("text\n")
    mail.add_alternative("<p>html</p>\n", subtype="html")
    mail.add_attachment(b"content", maintype="text", subtype=kind, filename=name)
    return mail


def ask(store: Store, path: str, method: str = "GET", **parameters: str) -> Response:
    names = {name.rstrip("_"): value for name, value in parameters.items()}
    return asyncio.run(Api(store).answer(Request(method=method, path=path, parameters=names)))


def data(response: Response) -> Any:
    return json.loads(response.body)


def test_the_list_has_the_matching_messages_and_the_total(store: Store) -> None:
    number = add(store, mail_with_attachment(), "x@unit-1.test")
    add(store, mail_with_attachment(), "x@unit-2.test")

    answer = data(ask(store, "/api/messages", unit="unit-1"))

    assert [message["id"] for message in answer["messages"]] == [number]
    assert (answer["total"], answer["dropped"]) == (2, 0)


def test_a_message_has_all_its_parts_and_the_address_of_each_attachment(store: Store) -> None:
    number = add(store, mail_with_attachment())

    message = data(ask(store, f"/api/messages/{number}"))

    assert (message["subject"], message["text"], message["html"]) == ("Hello", "text\n", "<p>html</p>\n")
    assert ["Subject", "Hello"] in message["headers"]
    (attachment,) = message["attachments"]
    assert (attachment["name"], attachment["type"], attachment["size"]) == ("a.txt", "text/plain", 7)
    assert ask(store, attachment["url"]).body == b"content"
    assert b"Subject: Hello" in ask(store, message["raw_url"]).body


def test_html_has_a_policy_that_allows_no_request_and_no_script(store: Store) -> None:
    mail = EmailMessage()
    mail.set_content("<img src='CID:logo%40shop'><img src=\"cid:none\"><script>1</script>", subtype="html")
    mail.add_related(b"png", "image", "png", cid="<logo@shop>")
    number = add(store, mail)

    response = ask(store, f"/api/messages/{number}/html")

    policy = response.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "img-src data:", "form-action 'none'", "sandbox"} <= set(policy)
    assert "script" not in response.headers["Content-Security-Policy"]
    assert b"'data:image/png;base64,cG5n'" in response.body
    assert b'"cid:none"' in response.body


def test_a_message_without_html_is_shown_as_text(store: Store) -> None:
    mail = EmailMessage()
    mail.set_content("<script>1</script>\n")
    number = add(store, mail)

    assert b"&lt;script&gt;" in ask(store, f"/api/messages/{number}/html").body


@pytest.mark.parametrize("name", ['a"; x="', "a\r\nX-Header: 1", "größe.txt", "../../etc/passwd"])
def test_the_name_of_an_attachment_adds_no_header(store: Store, name: str) -> None:
    number = add(store, mail_with_attachment())
    file = next((store._folder).glob("*.message"))
    file.write_bytes(file.read_bytes().replace(b'"a.txt"', b'"' + repr(name).encode()[1:-1] + b'"'))

    response = ask(store, f"/api/messages/{number}/attachments/0")

    head = response.encode().partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    assert not any(line.startswith("X-Header") for line in head)
    assert response.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''")


def test_an_html_attachment_runs_no_script_in_the_browser(store: Store) -> None:
    number = add(store, mail_with_attachment("page.html", "html"))

    response = ask(store, f"/api/messages/{number}/attachments/0")

    assert response.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert b"X-Content-Type-Options: nosniff" in response.encode()


def test_messages_are_deleted_alone_or_by_a_query(store: Store) -> None:
    first = add(store, mail_with_attachment(), "x@unit-1.test")
    add(store, mail_with_attachment(), "x@unit-2.test")
    add(store, mail_with_attachment(), "x@unit-2.test")

    assert data(ask(store, "/api/messages", "DELETE", unit="unit-2")) == {"deleted": 2}
    assert data(ask(store, f"/api/messages/{first}", "DELETE")) == {"deleted": 1}
    assert data(ask(store, "/api/messages"))["total"] == 0


def test_a_request_that_waits_is_answered_when_the_message_arrives(store: Store) -> None:
    async def wait() -> Response:
        request = Request(method="GET", path="/api/messages", parameters={"wait": "60", "subject": "Hello"})
        waiting = asyncio.create_task(Api(store).answer(request))
        await asyncio.sleep(0)
        await store.add(bytes(mail_with_attachment()), sender="", recipients=["b@example.test"])
        return await waiting

    assert [message["subject"] for message in data(asyncio.run(wait()))["messages"]] == ["Hello"]


@pytest.mark.parametrize("path", ["/", "/inbox.js", "/inbox.css"])
def test_the_web_page_needs_no_other_server(store: Store, path: str) -> None:
    response = ask(store, path)

    assert b"://" not in response.body
    assert b"innerHTML" not in response.body
    assert b"default-src 'none'; script-src 'self'" in response.encode()


def test_the_frame_of_the_html_is_a_sandbox_without_permissions(store: Store) -> None:
    assert b'<iframe id="html" title="HTML of the message" sandbox referrerpolicy' in ask(store, "/").body


@pytest.mark.parametrize(
    ("method", "path", "parameters", "status"),
    [
        ("GET", "/api/messages/1", {}, 404),
        ("GET", "/api/messages/0/raw", {}, 404),
        ("GET", "/api/messages/x", {}, 404),
        ("GET", "/../etc/passwd", {}, 404),
        ("GET", "/api/messages", {"wait": "61"}, 400),
        ("GET", "/api/messages", {"wait": "nan"}, 400),
        ("GET", "/api/messages", {"wait": "x"}, 400),
        ("GET", "/api/messages", {"after": "x"}, 400),
        ("GET", "/api/messages", {"other": "1"}, 400),
        ("POST", "/api/messages", {}, 405),
        ("DELETE", "/", {}, 405),
        ("POST", "/health", {}, 405),
    ],
)
def test_a_request_that_is_not_possible_is_refused(
    store: Store, method: str, path: str, parameters: dict[str, str], status: int
) -> None:
    with pytest.raises(RequestError) as error:
        ask(store, path, method, **parameters)

    assert error.value.status == status


def test_an_unknown_attachment_and_a_wrong_method_are_refused(store: Store) -> None:
    number = add(store, mail_with_attachment())

    with pytest.raises(RequestError, match="no attachment 1"):
        ask(store, f"/api/messages/{number}/attachments/1")
    with pytest.raises(RequestError, match="does not support the method DELETE"):
        ask(store, f"/api/messages/{number}/raw", "DELETE")


def test_a_message_whose_file_was_removed_is_missing(store: Store) -> None:
    number = add(store, mail_with_attachment())
    next(store._folder.glob("*.message")).unlink()

    with pytest.raises(RequestError) as error:
        ask(store, f"/api/messages/{number}")

    assert error.value.status == 404
