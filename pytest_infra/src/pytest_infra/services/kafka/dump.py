"""Write the topics of a test's unit with their last events to the failure report, as JSON."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from pytest_infra.isolation.readable import readable, write_json
from pytest_infra.isolation.unit import Unit
from pytest_infra.services.kafka import admin

#: The maximum number of topics that are dumped, and the maximum number of events of each partition.
TOPICS, EVENTS = 100, 50
#: the time limit for reading all events, in seconds
PATIENCE = 10.0


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the topics of a unit with their offsets and last events, and return a list with the file."""
    path = folder / f"{unit.id.rstrip('-')}.json"
    client = admin.connect(unit)
    names = admin.topics(client, unit.id)
    write_json(path, {"topics": len(names), "shown": _events(client, unit, names[:TOPICS])})
    return [path]


def _events(client: Any, unit: Unit, names: list[str]) -> dict[str, Any]:
    from confluent_kafka import Consumer, TopicPartition

    settings = {
        "bootstrap.servers": unit["bootstrap_servers"],
        "group.id": f"{unit.id}dump",
        "enable.auto.commit": False,
        "log_level": 0,
    }
    consumer = Consumer(settings)
    deadline = time.monotonic() + PATIENCE
    try:
        topics: dict[str, Any] = {name: {} for name in names}
        partitions, remaining_count = [], 0
        for name in names:
            for number in client.list_topics(name, timeout=admin.PATIENCE).topics[name].partitions:
                first_offset, end_offset = consumer.get_watermark_offsets(
                    TopicPartition(name, number), timeout=admin.PATIENCE
                )
                start_offset = max(first_offset, end_offset - EVENTS)
                topics[name][str(number)] = {"first": first_offset, "end": end_offset, "events": []}
                partitions.append(TopicPartition(name, number, start_offset))
                remaining_count += end_offset - start_offset
        consumer.assign(partitions)
        while remaining_count and time.monotonic() < deadline:
            message = consumer.poll(0.5)
            if message is None or message.error():
                continue
            remaining_count -= 1
            topics[str(message.topic())][str(message.partition())]["events"].append(_event(message))
        return topics
    finally:
        consumer.close()


def _event(message: Any) -> dict[str, Any]:
    return {
        "offset": message.offset(),
        "key": _text(message.key()),
        "value": _text(message.value()),
        "headers": {name: _text(value) for name, value in message.headers() or ()},
    }


def _text(data: bytes | None) -> str | None:
    return None if data is None else readable(data.decode("utf-8", "backslashreplace"))
