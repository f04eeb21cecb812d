"""Write the messages of a test's topics to the failure report, as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_infra.isolation.readable import CHARACTERS, readable, write_json
from pytest_infra.isolation.unit import Unit
from pytest_infra.services.mosquitto.isolation import Topics
from pytest_infra.services.mosquitto.protocol import Message

#: The maximum number of retained messages that are dumped.
RETAINED = 1000


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the last published messages and the retained messages of a unit; return a list with the file."""
    if not isinstance(unit, Topics):
        return []
    path = folder / f"{unit.id}.json"
    published, retained = unit.messages()
    value = {
        "published": [{"topic": message.topic, **_payload(message)} for message in published],
        "retained": {message.topic: _payload(message) for message in retained[:RETAINED]},
    }
    write_json(path, value)
    return [path]


def _payload(message: Message) -> dict[str, Any]:
    value = message.payload[: 4 * CHARACTERS].decode("utf-8", "surrogateescape")
    return {"bytes": len(message.payload), "value": readable(value)}
