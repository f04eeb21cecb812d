"""A snapshot of the real servers brings back rows, keys and messages."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import infra_runtime as infra

nats = pytest.importorskip("nats", reason="the minimal profile has no clients")
psycopg = pytest.importorskip("psycopg", reason="the minimal profile has no clients")
valkey = pytest.importorskip("valkey", reason="the minimal profile has no clients")

pytestmark = [
    pytest.mark.real("postgres"),
    pytest.mark.real("nats"),
    pytest.mark.real("valkey"),
]


async def publish(url: str, text: str) -> None:
    async with await nats.connect(url) as client:
        stream = client.jetstream()
        await stream.add_stream(name="S", subjects=["s.>"])
        await stream.publish("s.a", text.encode())


async def count(url: str) -> int:
    async with await nats.connect(url) as client:
        return (await client.jetstream().stream_info("S")).state.messages


def test_every_service_is_back_at_the_moment_of_the_snapshot(tmp_path: Path) -> None:
    with infra.start("postgres", "nats", "valkey", directory=tmp_path, environment="test") as stack:

        def write(text: str) -> None:
            with psycopg.connect(stack.postgres.url) as connection:
                connection.execute("create table if not exists t (x text)")
                connection.execute("insert into t values (%s)", (text,))
            with valkey.from_url(stack.valkey.url) as client:
                client.set("key", text)
            asyncio.run(publish(stack.nats.url, text))

        write("before")
        stack.snapshot()
        write("after")

        stack.restore()

        with psycopg.connect(stack.postgres.url) as connection:
            assert connection.execute("select x from t").fetchall() == [("before",)]
        with valkey.from_url(stack.valkey.url) as client:
            assert client.get("key") == b"before"
        assert asyncio.run(count(stack.nats.url)) == 1
