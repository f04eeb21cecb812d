"""The export of HTTP requests as HAR: URLs, headers, statuses, and spans of the same request."""

from __future__ import annotations

from typing import Any

import pytest

from infra_runtime.dashboard.har_export import har

SECOND = 10**9


def span(number: int, kind: str = "server", parent: int = 0, **attributes: Any) -> dict[str, Any]:
    return {
        "id": f"{number:016x}",
        "parent": f"{parent:016x}" if parent else "",
        "name": "request",
        "service": "shop",
        "kind": kind,
        "start": number * SECOND,
        "end": number * SECOND + 250_000_000,
        "attributes": {name.replace("__", "."): value for name, value in attributes.items()},
    }


def entries(*spans: dict[str, Any]) -> list[dict[str, Any]]:
    log = har(spans)["log"]
    assert log["version"] == "1.2"
    recorded: list[dict[str, Any]] = log["entries"]
    return recorded


def test_a_request_has_url_query_headers_status_and_time() -> None:
    own = {
        "http.request.method": "POST",
        "url.full": "http://127.0.0.1:8000/orders?id=1&empty=",
        "http.response.status_code": 201,
        "http.request.header.accept": ["text/html", "*/*"],
        "http.response.header.content-type": ["application/json"],
        "http.response.body.size": 12,
    }

    (entry,) = entries({**span(1), "attributes": own})

    request, response = entry["request"], entry["response"]
    assert (request["method"], request["url"]) == ("POST", own["url.full"])
    assert request["queryString"] == [{"name": "id", "value": "1"}, {"name": "empty", "value": ""}]
    assert [header["value"] for header in request["headers"]] == ["text/html", "*/*"]
    assert (response["status"], response["statusText"]) == (201, "Created")
    assert response["content"] == {"size": 12, "mimeType": "application/json"}
    assert (entry["time"], entry["timings"]["wait"]) == (250.0, 250.0)
    assert entry["startedDateTime"] == "1970-01-01T00:00:01.000+00:00"


@pytest.mark.parametrize(
    ("attributes", "url"),
    [
        ({"http.method": "GET", "http.url": "https://shop/x"}, "https://shop/x"),
        (
            {"http.method": "GET", "http.scheme": "https", "http.host": "shop:1", "http.target": "/a?b=c"},
            "https://shop:1/a?b=c",
        ),
        (
            {"http.request.method": "GET", "server.address": "shop", "server.port": 81, "url.path": "/a"},
            "http://shop:81/a",
        ),
        ({"http.request.method": "GET", "url.path": "/a", "url.query": "b=c"}, "http://localhost/a?b=c"),
    ],
)
def test_the_url_is_found_in_the_attributes_of_all_versions(attributes: dict[str, Any], url: str) -> None:
    (entry,) = entries({**span(1), "attributes": attributes})

    assert entry["request"]["url"] == url


def test_other_spans_and_the_second_span_of_a_request_are_left_out() -> None:
    client = span(1, "client", http__request__method="GET")
    server = span(2, "server", parent=1, http__request__method="GET")
    query = span(3, "client", parent=2, db__system="postgresql")
    alone = span(4, "server", parent=3, http__request__method="GET")

    assert [entry["comment"][-17:-1] for entry in entries(alone, query, server, client)] == [
        client["id"],
        alone["id"],
    ]


@pytest.mark.parametrize("status", ["x", None, 10**30, -5, 1e400])
def test_a_status_that_is_not_valid_has_no_status_text(status: Any) -> None:
    (entry,) = entries(span(1, http__method="GET", http__status_code=status, http__url="http://[x"))

    assert entry["response"]["statusText"] == ""
