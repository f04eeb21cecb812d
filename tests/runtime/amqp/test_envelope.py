"""An envelope is JSON with fixed keys, which is checked when it is read."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from infra_runtime.amqp.envelope import Envelope, Metadata


def test_an_envelope_is_json_with_these_keys() -> None:
    envelope = Envelope(
        type="email.welcome",
        tenant_id="acme",
        payload={"to": ["ada"]},
        metadata=Metadata(source="signup", correlation_id="1"),
    )

    body = json.loads(envelope.encoded())

    assert body.pop("message_id") == envelope.message_id
    assert datetime.fromisoformat(body.pop("timestamp")) == envelope.timestamp
    assert body == {
        "type": "email.welcome",
        "tenant_id": "acme",
        "payload": {"to": ["ada"]},
        "metadata": {"source": "signup", "correlation_id": "1"},
    }
    assert Envelope.decoded(envelope.encoded()) == envelope


def test_two_envelopes_have_different_ids() -> None:
    assert Envelope(type="a").message_id != Envelope(type="a").message_id


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"[]", b"{}", b'{"type": ""}', b'{"type": "a", "timestamp": "2026-01-01T00:00:00"}'],
)
def test_a_body_without_an_envelope_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        Envelope.decoded(body)
