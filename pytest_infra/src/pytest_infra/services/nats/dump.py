"""Write the JetStream streams of a test's NATS account to the failure report, as JSON.

Source: NATS documentation, "JetStream wire API Reference".
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_infra.isolation.connection import CommandError
from pytest_infra.isolation.readable import CHARACTERS, write_json
from pytest_infra.isolation.unit import Unit
from pytest_infra.services.nats.protocol import NatsConnection

#: The maximum number of messages at the end of a stream that are dumped.
MESSAGES = 20


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write each stream of an account (configuration, consumers, last messages); return the files."""
    path = folder / f"{unit.id}.json"
    with NatsConnection(unit.host, unit.port, unit["user"], unit["password"]) as connection:
        streams = connection.request("$JS.API.STREAM.LIST")["streams"] or []
        write_json(path, [_stream(connection, stream) for stream in streams])
    return [path]


def _stream(connection: NatsConnection, stream: dict[str, Any]) -> dict[str, Any]:
    name = stream["config"]["name"]
    consumers = connection.request(f"$JS.API.CONSUMER.LIST.{name}")["consumers"] or []
    return {
        "config": stream["config"],
        "state": stream["state"],
        "consumers": consumers,
        "messages": list(_messages(connection, stream)),
    }


def _messages(connection: NatsConnection, stream: dict[str, Any]) -> Iterator[dict[str, Any]]:
    state = stream["state"]
    number = max(state["first_seq"], state["last_seq"] - MESSAGES + 1)
    while number <= state["last_seq"]:
        query = json.dumps({"seq": number, "next_by_subj": ">"}).encode()
        try:
            answer = connection.request(f"$JS.API.STREAM.MSG.GET.{stream['config']['name']}", query)
        except CommandError:  # the remaining messages of the stream were deleted
            return
        message = answer["message"]
        data = base64.b64decode(message.get("data", ""))
        headers = base64.b64decode(message.get("hdrs", "")).decode(errors="replace")
        yield {
            "seq": message["seq"],
            "subject": message["subject"],
            "time": message["time"],
            "headers": headers.split("\r\n")[1:-2],
            "bytes": len(data),
            "data": data[:CHARACTERS].decode(errors="backslashreplace"),
        }
        number = message["seq"] + 1
