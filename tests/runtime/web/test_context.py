"""The context of a message that another process has sent: its correlation id and its trace."""

from __future__ import annotations

import pytest

pytest.importorskip("structlog", reason="needs the extra `web`")

from infra_runtime.web import context

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_block_continues_the_headers_of_a_message() -> None:
    with context.continued({"X-Correlation-ID": "order-7", "Traceparent": TRACE}):
        sent, ids = context.outgoing_headers(), context.ids()

    assert sent == {"x-correlation-id": "order-7", "traceparent": TRACE}
    assert ids == {"correlation_id": "order-7"}
    assert context.outgoing_headers() == {}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-correlation-id": ""},
        {"x-correlation-id": "two\nlines", "traceparent": f"{TRACE}\n"},
        {"x-correlation-id": "x" * 129, "traceparent": TRACE.replace("00-", "ff-")},
    ],
)
def test_a_block_without_valid_headers_has_a_new_correlation_id(headers: dict[str, str]) -> None:
    with context.continued(headers):
        first = context.outgoing_headers()
    with context.continued(headers):
        second = context.outgoing_headers()

    assert first.keys() == second.keys() == {"x-correlation-id"}
    assert len(first["x-correlation-id"]) == 32
    assert first != second


def test_a_block_that_fails_leaves_the_context_as_it_was() -> None:
    with (
        context.continued({"x-correlation-id": "outer"}),
        pytest.raises(LookupError),
        context.continued({"x-correlation-id": "inner"}),
    ):
        raise LookupError
    assert context.ids() == {}
