from __future__ import annotations

from typing import Any

import pytest

from fakes.asgi import Response, answering, call
from infra_runtime.web.cors import Cors

SHOP, EVIL = "https://shop.example", "https://evil.example"


def cors(*origins: str, headers: tuple[tuple[str, str], ...] = (), **options: Any) -> Cors:
    app = answering(headers=headers)
    return Cors(app, origins=origins, methods=("GET", "PUT"), headers=("content-type",), **options)


def preflight(app: Cors, origin: str) -> Response:
    headers = [("origin", origin), ("access-control-request-method", "PUT")]
    return call(app, method="OPTIONS", headers=headers)


def test_an_allowed_origin_may_read_the_response() -> None:
    response = call(cors(SHOP, headers=(("vary", "accept"),)), headers=[("origin", SHOP)])

    assert response.headers["access-control-allow-origin"] == SHOP
    assert response.headers["vary"] == "accept, Origin"
    assert response.body == b"hello"


@pytest.mark.parametrize("origin", [EVIL, "null", f"{SHOP}.evil.example", f"{SHOP}:8443", SHOP.upper(), ""])
def test_another_origin_gets_no_header(origin: str) -> None:
    app = cors(SHOP, credentials=True)

    for response in (call(app, headers=[("origin", origin)]), preflight(app, origin)):
        assert not [name for name in response.headers if name.startswith("access-control")]


def test_without_origins_no_response_has_a_header() -> None:
    assert call(cors(), headers=[("origin", SHOP)]).headers == {}


def test_a_preflight_request_is_answered_with_methods_and_headers() -> None:
    response = preflight(cors(SHOP, credentials=True, max_age=60), SHOP)

    assert response.status == 200
    assert response.body == b""
    assert response.headers["access-control-allow-origin"] == SHOP
    assert response.headers["access-control-allow-methods"] == "GET, PUT"
    assert response.headers["access-control-allow-headers"] == "content-type"
    assert response.headers["access-control-allow-credentials"] == "true"
    assert response.headers["access-control-max-age"] == "60"


def test_another_options_request_reaches_the_application() -> None:
    assert call(cors(SHOP), method="OPTIONS", headers=[("origin", SHOP)]).body == b"hello"


def test_every_origin_is_allowed_with_a_star() -> None:
    assert call(cors("*"), headers=[("origin", EVIL)]).headers["access-control-allow-origin"] == "*"
