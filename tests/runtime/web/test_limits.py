from __future__ import annotations

import asyncio
from collections import Counter

import pytest

pytest.importorskip("structlog", reason="needs the extra `web`")

from fakes.asgi import Records, answering, call, request
from fakes.clock import Clock
from infra_runtime.web.asgi import Receive, Scope, Send
from infra_runtime.web.limits import BodyLimit, RateLimit, network
from infra_runtime.web.middleware import ErrorHandler
from infra_runtime.web.problems import ProblemError
from infra_runtime.web.storage import Hit, MemoryStorage


def limited(limit: int = 2) -> ErrorHandler:
    storage = MemoryStorage(clock=Clock())
    return ErrorHandler(RateLimit(answering(), storage=storage, limit=limit, period=60))


def test_a_request_above_the_limit_is_429_with_the_seconds_to_wait() -> None:
    app = limited()

    responses = [call(app) for _ in range(3)]

    assert [response.status for response in responses] == [200, 200, 429]
    assert [response.headers["ratelimit-remaining"] for response in responses] == ["1", "0", "0"]
    assert responses[2].headers["retry-after"] == "30"


def test_concurrent_requests_do_not_exceed_the_limit() -> None:
    app = limited(10)

    async def run() -> Counter[int]:
        responses = await asyncio.gather(*(request(app) for _ in range(50)))
        return Counter(response.status for response in responses)

    assert asyncio.run(run()) == {200: 10, 429: 40}


def test_each_client_has_its_own_limit() -> None:
    app = limited(1)

    addresses = ("192.0.2.1", "192.0.2.2", "192.0.2.1")
    assert [call(app, client=(address, 1)).status for address in addresses] == [200, 200, 429]


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_the_addresses_of_one_ipv6_network_are_counted_together(address: str, counted_as: str) -> None:
    assert network(address) == counted_as


def test_a_storage_that_fails_does_not_refuse_requests(records: Records) -> None:
    class Broken(MemoryStorage):
        """A storage whose server does not answer."""

        async def hit(self, key: str, limit: int, period: float) -> Hit:
            raise ConnectionError

    assert call(RateLimit(answering(), storage=Broken(), limit=1, period=1)).status == 200
    assert [record["event"] for record in records()] == ["rate_limit_failed"]


def test_a_storage_that_does_not_answer_does_not_delay_requests_without_limit(records: Records) -> None:
    class Paused(MemoryStorage):
        """A storage whose server accepts connections and sends nothing."""

        async def hit(self, key: str, limit: int, period: float) -> Hit:
            await asyncio.Event().wait()
            raise AssertionError

    app = RateLimit(answering(), storage=Paused(), limit=1, period=1, patience=0.01)

    assert call(app).status == 200
    assert [record["event"] for record in records()] == ["rate_limit_failed"]


# --- bodies ----------------------------------------------------------------------------------------


async def read_all(_scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body, and answer with its length."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await answering(body=str(size).encode())(_scope, receive, send)


async def read_and_answer_400(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer an exception while the body is read with 400, as FastAPI does."""
    try:
        await read_all(scope, receive, send)
    except ProblemError:
        await answering(400)(scope, receive, send)


@pytest.mark.parametrize("app", [read_all, read_and_answer_400])
@pytest.mark.parametrize(("parts", "status"), [([b"a" * 10], 200), ([b"a" * 11], 413), ([b"aaaa"] * 3, 413)])
def test_a_body_is_counted_while_it_is_read(app: type[BodyLimit], parts: list[bytes], status: int) -> None:
    assert call(ErrorHandler(BodyLimit(app, max_bytes=10)), body=parts, method="POST").status == status


@pytest.mark.parametrize("length", ["11", "1" + "0" * 5000, "00011"])
def test_a_long_body_is_refused_before_it_is_read(length: str) -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise AssertionError("the application must not run")

    response = call(ErrorHandler(BodyLimit(app, max_bytes=10)), headers=[("content-length", length)])

    assert (response.status, response.headers["connection"]) == (413, "close")


@pytest.mark.parametrize("length", ["", "-1", "x", "\xb2", "0" * 5000])
def test_an_invalid_length_does_not_replace_counting(length: str) -> None:
    app = ErrorHandler(BodyLimit(read_all, max_bytes=10))

    assert call(app, headers=[("content-length", length)], body=[b"a" * 11]).status == 413


def test_an_application_that_reads_no_body_is_not_limited() -> None:
    assert call(BodyLimit(answering(), max_bytes=1), body=[b"a" * 100]).status == 200
