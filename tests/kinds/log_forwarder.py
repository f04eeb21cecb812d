"""The log forwarder in the contract suite: it stores nothing itself, and creates the stream."""

from __future__ import annotations

import contextlib

from fakes.stacks import until
from infra_runtime.engines.local.stack import Endpoint


def check(endpoint: Endpoint) -> None:
    """Wait for the stream, which the forwarder creates at its first connection."""
    from nats.js.errors import NotFoundError

    from infra_runtime.logs.stream import Reader

    def stream_exists() -> bool:
        with contextlib.suppress(NotFoundError), contextlib.closing(Reader(endpoint.url)):
            return True
        return False

    until(stream_exists)
