"""HTTP requests of the inbox, and which of them a web page of another origin could send."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.samples import every
from infra_runtime.inbox.requests import (
    LIMIT,
    Request,
    RequestError,
    check_origin,
    parse_request,
    read_request,
)


def request(**headers: str) -> Request:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method="GET", path="/api/messages", headers={"host": "127.0.0.1:8025", **names})


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8025", "127.0.0.1", "localhost:8025", "LOCALHOST", "[::1]:8025", "mail.localhost:8080"],
)
def test_a_request_to_a_loopback_name_is_accepted(host: str) -> None:
    check_origin(request(host=host))
    check_origin(request(host=host, origin=f"http://{host}", sec_fetch_site="same-origin"))


@pytest.mark.parametrize(
    "host",
    [
        "",
        "example.com",
        "example.com:8025",
        "127.0.0.1.example.com",
        "localhost.example.com",
        "[",
        "10.0.0.1",
    ],
)
def test_a_request_to_another_name_is_refused(host: str) -> None:
    """A web page that uses DNS rebinding sends the name of another server."""
    with pytest.raises(RequestError, match="Host"):
        check_origin(request(host=host))


@every(
    [
        {"origin": "http://example.com"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://127.0.0.1:3000"},
        {"origin": "http://127.0.0.1"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"},
    ]
)
def test_a_request_of_a_web_page_of_another_origin_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(RequestError, match="web page"):
        check_origin(request(**headers))


def test_a_link_to_the_inbox_on_another_page_works() -> None:
    check_origin(request(sec_fetch_site="cross-site", sec_fetch_mode="navigate", sec_fetch_dest="document"))


def test_a_request_has_path_parameters_and_headers() -> None:
    parsed = parse_request(b"GET /a?to=x%40y&to=z&b= HTTP/1.1\r\nHost: localhost\r\nX-A:  b \r\n\r\n")

    assert (parsed.method, parsed.path) == ("GET", "/a")
    assert parsed.parameters == {"to": "z"}
    assert parsed.headers == {"host": "localhost", "x-a": "b"}


@every(
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET http://127.0.0.1/ HTTP/1.1\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n folded: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /?" + b"a=b&" * 100 + b" HTTP/1.1\r\n\r\n",
        b"GET //[ HTTP/1.1\r\n\r\n",
    ]
)
def test_bytes_that_are_not_a_request_are_refused(head: bytes) -> None:
    with pytest.raises(RequestError):
        parse_request(head)


@given(st.binary(max_size=100), st.sampled_from([b"", b"GET ", b"GET / HTTP/1.1\r\n"]))
def test_no_bytes_raise_another_error(data: bytes, beginning: bytes) -> None:
    with contextlib.suppress(RequestError):
        check_origin(parse_request(beginning + data))


def read(data: bytes) -> Request | None:
    async def from_bytes() -> Request | None:
        reader = asyncio.StreamReader(limit=LIMIT)
        reader.feed_data(data)
        if len(data) <= LIMIT:
            reader.feed_eof()
        return await read_request(reader)

    return asyncio.run(from_bytes())


def test_a_connection_without_a_request_causes_no_error() -> None:
    assert read(b"") is None


@pytest.mark.parametrize(("data", "status"), [(b"GET / HT", 400), (b"x" * (LIMIT + 10), 431)])
def test_an_incomplete_or_long_request_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(RequestError) as error:
        read(data)

    assert error.value.status == status
