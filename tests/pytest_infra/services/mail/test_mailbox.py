"""A mailbox for each test: tests do not see each other's messages, and a missing message is explained."""

from __future__ import annotations

import pytest

from fakes.suite import Suite

pytestmark = pytest.mark.real("mail")

SEND = """
import smtplib
from email.message import EmailMessage

def send(server, recipient, subject, text="text", login=False):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Shop <shop@example.test>", recipient, subject
    message.set_content(text)
    with smtplib.SMTP(server.host, server.port, timeout=60) as client:
        if login:
            client.login(server.user, server.password)
        client.send_message(message)
"""
INI = "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
SECOND = '[services.bulk]\nkind = "mail"\n'


@pytest.fixture(autouse=True)
def _with_module(suite: Suite) -> None:
    suite.stack("[services.mail]\n")
    suite.test(SEND, "sending")


SAME_SUBJECT = """
import pathlib, time
import pytest
from sending import send

@pytest.mark.parametrize("number", range(2))
def test_it(mail, mailbox, number):
    assert mailbox.messages() == []
    send(mail, mailbox.address, "Welcome", f"number {number}")
    send(mail, "fixed@example.test", "Report", f"report {number}", login=True)
    pathlib.Path(f"sent-{number}").touch()
    while len(list(pathlib.Path().glob("sent-*"))) < 2:
        time.sleep(0.01)
    assert mailbox.wait_for(subject="Welcome", timeout=60).text == f"number {number}\\n"
    assert mailbox.wait_for(subject="Report", timeout=60).text == f"report {number}\\n"
    assert len(mailbox.messages()) == 2
"""


def test_two_workers_get_their_own_messages_with_the_same_subject(suite: Suite) -> None:
    pytest.importorskip("xdist")
    suite.with_plugins("xdist")
    suite.test(SAME_SUBJECT)

    result = suite.run("-n2", "-q")

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["infra: 1 service, ready in *; 0 processes, 0 ports, 0 sockets left"])


WAITING = """
import asyncio, re, threading
import pytest
from sending import send

def test_a_message_that_arrives_later(mail, mailbox):
    sending = threading.Timer(0.2, send, (mail, mailbox.address, "Later"))
    sending.start()
    assert mailbox.wait_for(subject="Later", timeout=60).subject == "Later"
    sending.join()

def test_each_message_is_returned_once(mail, mailbox):
    for text in ("1", "2"):
        send(mail, mailbox.address, "Reset", text)
    assert [mailbox.wait_for(subject="Reset", timeout=60).text for _ in range(2)] == ["1\\n", "2\\n"]
    with pytest.raises(AssertionError, match="returned before"):
        mailbox.wait_for(subject="Reset", timeout=0.1)

def test_conditions(mail, mailbox):
    send(mail, f"anna@{mailbox.domain}", "Order 17")
    send(mail, f"bert@{mailbox.domain}", "Order 18")
    assert mailbox.wait_for(to=f"Bert@{mailbox.domain}", timeout=60).subject == "Order 18"
    assert mailbox.wait_for(subject=re.compile(r"\\d+$"), sender="shop@example.test").subject == "Order 17"

def test_clear(mail, mailbox):
    send(mail, mailbox.address, "Order")
    mailbox.clear()
    assert mailbox.messages() == []

def test_example(mail, mailbox):
    send(mail, mailbox.address, "before")
    with mail.example() as unit:
        send(unit, mailbox.address, "inside")
        assert [message.subject for message in mailbox.messages()] == ["inside"]
    assert mailbox.messages() == []

def test_the_messages_of_earlier_tests_are_deleted(mail, infra_stack):
    from pytest_infra.services.mail.mailbox import Mailbox
    assert Mailbox(infra_stack.mail).messages() == []

def test_a_second_server_has_its_own_mailbox(mail, bulk, mailbox, bulkbox):
    send(bulk, bulkbox.address, "Newsletter")
    assert bulkbox.wait_for(subject="Newsletter", timeout=60)
    assert mailbox.messages() == []
    assert bulk.inbox_url != mail.inbox_url
    assert mail.url_for("smtp") == mail.url

@pytest.mark.infra_shared
def test_isolation_is_off(mail, mailbox):
    send(mail, "anyone@example.test", "Hello")
    assert mailbox.wait_for(subject="Hello", timeout=60).recipients == ("anyone@example.test",)
    assert mailbox.address == "test@example.test"

@pytest.mark.asyncio
async def test_the_asynchronous_mailbox_does_not_block_the_event_loop(mail, async_mailbox):
    waiting = asyncio.create_task(async_mailbox.wait_for(subject="Later", timeout=60))
    await asyncio.to_thread(send, mail, async_mailbox.address, "Later")
    assert (await waiting).subject == "Later"
    assert len(await async_mailbox.messages()) == 1
    await async_mailbox.clear()
    with pytest.raises(AssertionError):
        await async_mailbox.wait_for(timeout=0.1)
"""


def test_a_test_waits_for_the_messages_that_meet_its_conditions(suite: Suite) -> None:
    pytest.importorskip("pytest_asyncio")
    suite.with_plugins("asyncio")
    suite.pytester.makeini(INI)
    suite.stack("[services.mail]\n", SECOND)
    suite.test(WAITING)

    suite.run().assert_outcomes(passed=9)


FAILING = """
from sending import send

def test_other_subject(mail, mailbox):
    send(mail, mailbox.address, "Welcome")
    mailbox.wait_for(subject="Invoice", timeout=0.1)

def test_other_address(mail, mailbox):
    send(mail, "sales@example.test", "Invoice")
    mailbox.wait_for(subject="Invoice", timeout=0.1)
"""


def test_the_error_for_a_missing_message_lists_what_has_arrived(suite: Suite) -> None:
    suite.test(FAILING)

    result = suite.run()

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*no message with the subject 'Invoice' arrived within 0.1 s",
            "*the inbox of the test contains 1:",
            "*'Welcome' from shop@example.test to test@*.test",
            "*the inbox of the test is empty",
            "*messages to other addresses arrived meanwhile: sales@example.test",
        ]
    )
