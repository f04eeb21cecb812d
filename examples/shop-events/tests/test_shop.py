"""Tests of the shop over HTTP, with real mails, and while each of its dependencies fails."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import httpx
import pika
import psycopg
import pytest

import infra_runtime as infra
from pytest_infra.chaos import Chaos
from pytest_infra.services.mail.mailbox import Mailbox

#: the tests share the shop and its queue, and some of them stop its dependencies
pytestmark = pytest.mark.xdist_group("shop")
#: seconds in which a mail arrives, with the time in which a dependency starts again
PATIENCE = 60.0


@pytest.fixture
def place(infra_stack: infra.Stack, mailbox: Mailbox) -> Callable[..., httpx.Response]:
    """A function that places an order for a customer with an address of the test's mailbox."""

    def order(**changes: object) -> httpx.Response:
        body = {"email": mailbox.address, "item": "tea", "quantity": 3, **changes}
        return httpx.post(f"{infra_stack.api.url}/orders", json=body, timeout=PATIENCE)

    return order


def test_an_order_is_stored_and_confirmed_by_mail(
    place: Callable[..., httpx.Response], mailbox: Mailbox, infra_stack: infra.Stack
) -> None:
    order = place().raise_for_status().json()

    mail = mailbox.wait_for(subject=order["id"], timeout=PATIENCE)
    assert "3 x tea" in mail.text
    with psycopg.connect(infra_stack.postgres.url) as connection:
        row = connection.execute("select email, item from orders where id = %s", [order["id"]]).fetchone()
    assert row == (mailbox.address, "tea")


@pytest.mark.parametrize("change", [{"quantity": 0}, {"quantity": "many"}, {"email": "ada"}, {"item": ""}])
def test_an_invalid_order_is_rejected(
    place: Callable[..., httpx.Response], change: dict[str, object]
) -> None:
    response = place(**change)

    assert response.status_code == 422
    assert [*change] == response.json()["errors"][0]["loc"]


def test_an_order_is_accepted_while_the_broker_is_down(
    place: Callable[..., httpx.Response], mailbox: Mailbox, infra_chaos: Chaos
) -> None:
    with infra_chaos.killed("rabbitmq"):
        order = place().raise_for_status().json()

    mailbox.wait_for(subject=order["id"], timeout=PATIENCE)


def test_a_mail_is_sent_again_when_the_mail_server_was_down(
    place: Callable[..., httpx.Response], mailbox: Mailbox, infra_chaos: Chaos
) -> None:
    with infra_chaos.stopped("mail"):
        order = place().raise_for_status().json()

    mailbox.wait_for(subject=order["id"], timeout=PATIENCE)


def test_an_order_is_refused_while_the_database_is_down_and_accepted_afterwards(
    place: Callable[..., httpx.Response], mailbox: Mailbox, infra_chaos: Chaos
) -> None:
    with infra_chaos.killed("postgres"):
        assert place().status_code in {500, 503}

    order = place().raise_for_status().json()
    mailbox.wait_for(subject=order["id"], timeout=PATIENCE)


def test_a_worker_that_is_killed_continues_with_the_next_message(
    place: Callable[..., httpx.Response], mailbox: Mailbox, infra_chaos: Chaos
) -> None:
    with infra_chaos.killed("worker"):
        order = place().raise_for_status().json()

    mailbox.wait_for(subject=order["id"], timeout=PATIENCE)


def test_a_message_without_an_envelope_goes_to_the_dead_letters(infra_stack: infra.Stack) -> None:
    body = uuid.uuid4().bytes
    with pika.BlockingConnection(pika.URLParameters(infra_stack.rabbitmq.url)) as connection:
        channel = connection.channel()
        channel.basic_publish("orders", "order.placed", body)

        for _, _, dead in channel.consume("confirmations.dead", auto_ack=True, inactivity_timeout=PATIENCE):
            assert dead is not None
            if dead == body:
                break
